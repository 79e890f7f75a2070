variable "name" {
  description = "Name of this group of routers: of its resources, its folder of parameters, and the value of the tag weir:router"
  type        = string
  default     = "weir"

  validation {
    # With a hyphen it is the prefix of the role's name, and AWS's provider takes 38 characters for that.
    condition     = can(regex("^[a-zA-Z0-9_-]{1,37}$", var.name))
    error_message = "Letters, digits, - and _, 37 at most."
  }
}

variable "image_id" {
  description = "The image that Packer has built, for the instance type's architecture"
  type        = string
}

variable "instance_type" {
  description = "docs/operating.md, Sizing: what counts is the baseline of the network, not its burst"
  type        = string
  default     = "c7gn.large"
}

variable "vpc_id" {
  description = "VPC of the routers and of the route tables"
  type        = string
}

variable "subnet_ids" {
  description = "One subnet for each router, each in another zone: { a = \"subnet-…\", b = \"subnet-…\" }. Their own route tables must not be among route_table_ids"
  type        = map(string)

  validation {
    condition     = length(var.subnet_ids) > 0 && alltrue([for role in keys(var.subnet_ids) : can(regex("^[a-zA-Z0-9_-]{1,64}$", role))])
    error_message = "At least one, with keys of letters, digits, - and _."
  }
}

variable "public_addresses" {
  description = "true where the subnets lead to an Internet gateway: each router gets an Elastic IP, which it keeps, and a public address to start with. false where AWS is reached otherwise (endpoints of EC2 and SSM, a NAT gateway)"
  type        = bool
  default     = true
}

variable "route_table_ids" {
  description = "Route tables in which the routers own the destinations, and the only ones that they may touch"
  type        = list(string)

  validation {
    condition     = length(var.route_table_ids) > 0 && alltrue([for id in var.route_table_ids : can(regex("^rtb-[0-9a-f]+$", id))])
    error_message = "A list of rtb-…, not empty."
  }
}

variable "destinations" {
  description = "What the tables send to the routers: prefixes or managed prefix lists"
  type        = list(string)
  default     = ["0.0.0.0/0"]
}

variable "forwarded_cidrs" {
  description = "Where the packets that are forwarded come from, such as the VPC's prefix"
  type        = list(string)
}

variable "forwarded_ipv6_cidrs" {
  description = "The same for IPv6"
  type        = list(string)
  default     = []
}

variable "nat" {
  description = "Masquerade IPv4 from the VPC towards everything else (loads connection tracking)"
  type        = bool
  default     = true
}

variable "collectors" {
  description = "Collectors: ipfix://10.0.9.9, netflow9://10.0.9.8:2055"
  type        = list(string)
}

variable "metrics_cidrs" {
  description = "From where Prometheus may read metrics and health; none: nowhere"
  type        = list(string)
  default     = []
}

variable "session_manager" {
  description = "Log in by Session Manager. There is no SSH either way"
  type        = bool
  default     = true
}

variable "kms_key_arn" {
  description = "Key of your own for the configuration, which is then a SecureString; null: a plain parameter. Its ARN has to be known before the apply"
  type        = string
  default     = null
}

variable "alarm_topic_arn" {
  description = "SNS topic that is told when a router is gone or unwell; null: none"
  type        = string
  default     = null
}

variable "tags" {
  description = "Further tags of every resource, also of the instances"
  type        = map(string)
  default     = {}

  validation {
    # The instances' tags are among their metadata (weir:role), and then EC2 starts none whose keys have other characters.
    condition     = alltrue([for key in keys(var.tags) : can(regex("^[a-zA-Z0-9+=.,_:@-]+$", key)) && !contains([".", "..", "_index"], key)])
    error_message = "Keys of letters, digits and + - = . , _ : @ (no spaces, no /), and not \".\", \"..\" or \"_index\": the instances' tags are among their metadata."
  }
}
