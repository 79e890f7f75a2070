// An image for one's own accounts: encrypted, and nobody else's.
encrypt     = true
image_users = []
