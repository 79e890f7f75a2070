output "interface_ids" {
  description = "Where routes lead to, by router"
  value       = { for role, one in aws_network_interface.router : role => one.id }
}

output "exporter_addresses" {
  description = "Addresses that the records come from, by router"
  value       = { for role, one in aws_network_interface.router : role => one.private_ip }
}

output "public_addresses" {
  description = "Addresses that the Internet sees, by router"
  value       = { for role, one in aws_eip.router : role => one.public_ip }
}

output "role_arn" {
  description = "The routers' role"
  value       = aws_iam_role.router.arn
}
