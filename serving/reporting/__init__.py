"""What people read of a night: summary, gallery, outputs."""
