# Weir routers, one in each of the given subnets: each in an auto-scaling group of one, with a network interface (and, where
# wanted, an Elastic IP) that outlives the instance. The same as ../cloudformation/router.yaml.

data "aws_partition" "current" {}
data "aws_region" "current" {}
data "aws_caller_identity" "current" {}

locals {
  tags = merge(var.tags, { "weir:router" = var.name })

  metrics_address = length(var.metrics_cidrs) > 0 ? "0.0.0.0" : "127.0.0.1"

  policies = concat(
    ["observe", "routes", "source-dest-check", "attach-interface", "configuration"],
    var.session_manager ? ["session-manager"] : [],
    var.kms_key_arn == null ? [] : ["configuration-key"],
  )

  arn_of_route_tables = "arn:${data.aws_partition.current.partition}:ec2:${data.aws_region.current.id}:${data.aws_caller_identity.current.account_id}:route-table/"
}

# ---- Who may reach the routers

resource "aws_security_group" "router" {
  name_prefix = "${var.name}-"
  description = "Weir routers, what they forward and who may ask them"
  vpc_id      = var.vpc_id
  tags        = merge(local.tags, { Name = var.name })

  # A security group cannot tell what is forwarded from what is for the router itself. The router's own rules (nftables.conf,
  # and the table weir-access below) close every port but those of metrics and health.
  ingress {
    description      = "Packets to be forwarded"
    protocol         = "-1"
    from_port        = 0
    to_port          = 0
    cidr_blocks      = var.forwarded_cidrs
    ipv6_cidr_blocks = var.forwarded_ipv6_cidrs
  }

  ingress {
    description = "The routers ask each other whether they forward"
    protocol    = "tcp"
    from_port   = 9470
    to_port     = 9470
    self        = true
  }

  dynamic "ingress" {
    for_each = length(var.metrics_cidrs) > 0 ? [1] : []

    content {
      description = "Metrics and health"
      protocol    = "tcp"
      from_port   = 9469
      to_port     = 9471
      cidr_blocks = var.metrics_cidrs
    }
  }

  egress {
    description      = "What is forwarded may go anywhere"
    protocol         = "-1"
    from_port        = 0
    to_port          = 0
    cidr_blocks      = ["0.0.0.0/0"]
    ipv6_cidr_blocks = ["::/0"]
  }

  lifecycle {
    create_before_destroy = true
  }
}

# ---- What a router may do

resource "aws_iam_role" "router" {
  name_prefix = "${var.name}-"
  description = "What a Weir router may do (appliance/iam)"
  tags        = local.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "router" {
  for_each = toset(local.policies)

  name = each.key
  role = aws_iam_role.router.id

  policy = templatefile("${path.module}/../iam/${each.key}.json", {
    partition = data.aws_partition.current.partition
    region    = data.aws_region.current.id
    account   = data.aws_caller_identity.current.account_id
    name      = var.name
    key_arn   = var.kms_key_arn == null ? "" : var.kms_key_arn
    # One ARN for each table, in the list that the file begins.
    route_table_ids = join("\", \"${local.arn_of_route_tables}", var.route_table_ids)
  })
}

resource "aws_iam_instance_profile" "router" {
  name_prefix = "${var.name}-"
  role        = aws_iam_role.router.name
  tags        = local.tags
}

# ---- What stays when an instance goes

resource "aws_network_interface" "router" {
  for_each = var.subnet_ids

  description       = "Weir router ${each.key} of ${var.name}; routes lead here"
  subnet_id         = each.value
  security_groups   = [aws_security_group.router.id]
  source_dest_check = false
  tags              = merge(local.tags, { Name = "${var.name}-${each.key}" })

  lifecycle {
    # The routers attach it, not Terraform.
    ignore_changes = [attachment]
  }
}

resource "aws_eip" "router" {
  for_each = var.public_addresses ? var.subnet_ids : {}

  domain            = "vpc"
  network_interface = aws_network_interface.router[each.key].id
  tags              = merge(local.tags, { Name = "${var.name}-${each.key}" })
}

resource "aws_ssm_parameter" "configuration" {
  for_each = var.subnet_ids

  name        = "/weir/${var.name}/${each.key}"
  description = "weir.yaml of router ${each.key}; read when it starts, and by systemctl start weir-fetch"
  type        = var.kms_key_arn == null ? "String" : "SecureString"
  key_id      = var.kms_key_arn
  tier        = "Intelligent-Tiering"
  tags        = local.tags

  value = <<-YAML
    # Written by Terraform: its next run undoes what is changed here.
    interface: [ens6]
    collector: [${join(", ", var.collectors)}]
    metrics: ${local.metrics_address}:9469
    router:
      interface: [ens6]
      attach-interface: ${aws_network_interface.router[each.key].id}
      route:
        - ${join(",", var.route_table_ids)} ${join(",", var.destinations)}
      # The router itself among them is no peer of its own.
      peer: [${join(", ", [for one in aws_network_interface.router : one.id])}]
      nat: ${var.nat}
      metrics: ${local.metrics_address}:9471
  YAML
}

# ---- The instances

resource "aws_launch_template" "router" {
  name_prefix   = "${var.name}-"
  image_id      = var.image_id
  instance_type = var.instance_type
  tags          = local.tags

  iam_instance_profile {
    arn = aws_iam_instance_profile.router.arn
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
    instance_metadata_tags      = "enabled"
    # A subnet of IPv6 alone reaches it at no other address.
    http_protocol_ipv6 = "enabled"
  }

  # The first interface, with which a router starts and attaches the one that stays.
  network_interfaces {
    device_index                = 0
    description                 = "Weir router, until it has its fixed interface"
    associate_public_ip_address = var.public_addresses ? "true" : null
    delete_on_termination       = "true"
    security_groups             = [aws_security_group.router.id]
  }

  tag_specifications {
    resource_type = "instance"
    tags          = local.tags
  }

  tag_specifications {
    resource_type = "network-interface"
    tags          = local.tags
  }

  user_data = base64encode(templatefile("${path.module}/user-data.yaml", {
    name         = var.name
    metrics_rule = length(var.metrics_cidrs) > 0 ? "ip saddr { ${join(", ", var.metrics_cidrs)} } tcp dport { 9469, 9471 } accept;" : ""
  }))
}

# A new version of the launch template replaces no running router: all of them at once would be gone. One after the other:
#   aws autoscaling start-instance-refresh --auto-scaling-group-name NAME-a --preferences MinHealthyPercentage=0
resource "aws_autoscaling_group" "router" {
  for_each = var.subnet_ids

  name                      = "${var.name}-${each.key}"
  min_size                  = 1
  max_size                  = 1
  vpc_zone_identifier       = [each.value]
  health_check_type         = "EC2"
  health_check_grace_period = 120

  launch_template {
    id      = aws_launch_template.router.id
    version = aws_launch_template.router.latest_version
  }

  dynamic "tag" {
    for_each = merge(local.tags, { Name = "${var.name}-${each.key}", "weir:role" = each.key })

    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = true
    }
  }

  # A router that starts without them would have to try again.
  depends_on = [aws_ssm_parameter.configuration, aws_iam_role_policy.router]
}

resource "aws_cloudwatch_metric_alarm" "router" {
  for_each = aws_autoscaling_group.router

  alarm_name          = "${each.value.name}-status"
  alarm_description   = "Weir router ${each.key} of ${var.name} fails the status checks of EC2, or there is none"
  namespace           = "AWS/EC2"
  metric_name         = "StatusCheckFailed"
  dimensions          = { AutoScalingGroupName = each.value.name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 3
  datapoints_to_alarm = 2
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  # No instance has no metric.
  treat_missing_data = "breaching"
  alarm_actions      = var.alarm_topic_arn == null ? [] : [var.alarm_topic_arn]
  ok_actions         = var.alarm_topic_arn == null ? [] : [var.alarm_topic_arn]
  tags               = local.tags
}
