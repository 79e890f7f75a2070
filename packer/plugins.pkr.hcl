// In a file of its own: Debian's Packer (1.6.6) does not know this block, and has the Amazon plugin built in. The test
// validates a copy of this folder without it.
packer {
  required_version = ">= 1.7.0"

  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = ">= 1.3.0, < 2.0.0"
    }
  }
}
