// The router's image, for arm64 and x86_64:
//
//   appliance/payload x64 && appliance/payload arm64
//   cd packer && packer init . && packer build -var-file=private.pkrvars.hcl .
//   ./after-build ../build/appliance/manifest.json
//
// after-build sets what the oldest Packer that reads this does not know: IMDSv2 only, the boot mode, the date of
// deprecation.

locals {
  stamp = formatdate("YYYYMMDD-hhmm", timestamp())
  tags = {
    Name           = "weir-${var.version}-${local.stamp}"
    "weir:version" = var.version
    "weir:base"    = "debian-${var.debian_release}"
  }
}

source "amazon-ebs" "x86_64" {
  region          = var.region
  ami_regions     = var.copy_to_regions
  ami_name        = "weir-${var.version}-x86_64-${local.stamp}"
  ami_description = "Weir ${var.version}, a router that measures what it forwards (Debian ${var.debian_release}, x86_64)"
  ami_users       = contains(var.image_users, "all") ? [] : var.image_users
  ami_groups      = contains(var.image_users, "all") ? ["all"] : []
  encrypt_boot    = var.encrypt
  instance_type   = "c6i.large"
  subnet_id       = var.subnet_id
  ena_support     = true

  source_ami_filter {
    // Debian's account.
    owners      = ["136693071363"]
    most_recent = true
    filters = {
      name                = "debian-${var.debian_release}-amd64-*"
      architecture        = "x86_64"
      root-device-type    = "ebs"
      virtualization-type = "hvm"
    }
  }

  launch_block_device_mappings {
    device_name           = "/dev/xvda"
    volume_size           = 8
    volume_type           = "gp3"
    iops                  = 3000
    throughput            = 125
    delete_on_termination = true
  }

  ssh_username              = "admin"
  ssh_clear_authorized_keys = true
  tags                      = local.tags
  snapshot_tags             = local.tags
}

source "amazon-ebs" "arm64" {
  region          = var.region
  ami_regions     = var.copy_to_regions
  ami_name        = "weir-${var.version}-arm64-${local.stamp}"
  ami_description = "Weir ${var.version}, a router that measures what it forwards (Debian ${var.debian_release}, arm64)"
  ami_users       = contains(var.image_users, "all") ? [] : var.image_users
  ami_groups      = contains(var.image_users, "all") ? ["all"] : []
  encrypt_boot    = var.encrypt
  instance_type   = "c7gn.medium"
  subnet_id       = var.subnet_id
  ena_support     = true

  source_ami_filter {
    owners      = ["136693071363"]
    most_recent = true
    filters = {
      name                = "debian-${var.debian_release}-arm64-*"
      architecture        = "arm64"
      root-device-type    = "ebs"
      virtualization-type = "hvm"
    }
  }

  launch_block_device_mappings {
    device_name           = "/dev/xvda"
    volume_size           = 8
    volume_type           = "gp3"
    iops                  = 3000
    throughput            = 125
    delete_on_termination = true
  }

  ssh_username              = "admin"
  ssh_clear_authorized_keys = true
  tags                      = local.tags
  snapshot_tags             = local.tags
}

build {
  sources = ["source.amazon-ebs.x86_64", "source.amazon-ebs.arm64"]

  provisioner "file" {
    only        = ["amazon-ebs.x86_64"]
    source      = "${var.payload_folder}/payload-x64.tar.gz"
    destination = "/tmp/payload.tar.gz"
    generated   = true
  }

  provisioner "file" {
    only        = ["amazon-ebs.arm64"]
    source      = "${var.payload_folder}/payload-arm64.tar.gz"
    destination = "/tmp/payload.tar.gz"
    generated   = true
  }

  provisioner "shell" {
    inline = [
      "cloud-init status --wait",
      "mkdir /tmp/payload && tar -xzf /tmp/payload.tar.gz -C /tmp/payload --strip-components=1",
    ]
  }

  // The same scripts, in the same order, as appliance/build-image.
  provisioner "shell" {
    only             = ["amazon-ebs.x86_64"]
    environment_vars = ["WEIR_SSM_AGENT_URL=${var.ssm_agent ? "https://s3.${var.region}.amazonaws.com/amazon-ssm-${var.region}/latest/debian_amd64/amazon-ssm-agent.deb" : ""}"]
    execute_command  = "chmod +x {{ .Path }}; sudo env {{ .Vars }} {{ .Path }} /tmp/payload"
    script           = "provisioners/install.sh"
  }

  provisioner "shell" {
    only             = ["amazon-ebs.arm64"]
    environment_vars = ["WEIR_SSM_AGENT_URL=${var.ssm_agent ? "https://s3.${var.region}.amazonaws.com/amazon-ssm-${var.region}/latest/debian_arm64/amazon-ssm-agent.deb" : ""}"]
    execute_command  = "chmod +x {{ .Path }}; sudo env {{ .Vars }} {{ .Path }} /tmp/payload"
    script           = "provisioners/install.sh"
  }

  // In one go: what comes between the two would leave traces.
  provisioner "shell" {
    execute_command = "chmod +x {{ .Path }}; sudo env {{ .Vars }} {{ .Path }} /tmp/payload"
    scripts         = ["provisioners/cleanup.sh", "provisioners/validate.sh"]
    skip_clean      = true
  }

  post-processor "manifest" {
    output = "${var.payload_folder}/manifest.json"
  }
}
