"""The programs of this area are run as processes of their own; nothing is shared here."""
