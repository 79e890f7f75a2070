// A public image cannot be encrypted.
encrypt     = false
image_users = ["all"]
