"""cloudlink joins the VPC of an EKS cluster and the VNet of an AKS cluster, and makes names in AWS work in AKS pods."""

__version__ = "0.2.0"
