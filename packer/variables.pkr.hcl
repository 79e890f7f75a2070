variable "region" {
  type        = string
  description = "Where the image is built. It is copied to copy_to_regions."
  default     = "eu-central-1"
}

variable "copy_to_regions" {
  type    = list(string)
  default = []
}

variable "version" {
  type        = string
  description = "Weir's version, for names and tags."
  default     = "0.1.0"
}

variable "debian_release" {
  type        = string
  description = "The base: Debian's own images of this release, the newest."
  default     = "13"
}

variable "subnet_id" {
  type        = string
  description = "Where the machine that builds runs; empty: the default VPC."
  default     = ""
}

variable "payload_folder" {
  type        = string
  description = "What appliance/payload has made: payload-x64.tar.gz and payload-arm64.tar.gz."
  default     = "../build/appliance"
}

variable "image_users" {
  type        = list(string)
  description = "Accounts that may launch the image; [\"all\"] makes it public."
  default     = []
}

variable "encrypt" {
  type        = bool
  description = "Encrypt the disk with the account's default key. A public image cannot be."
  default     = true
}

variable "ssm_agent" {
  type        = bool
  description = "Install the agent of AWS Systems Manager, by which one logs in."
  default     = true
}
