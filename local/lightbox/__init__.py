"""The lightbox: one plain page on loopback that shows a scan's way to its record, as record and events tell it."""
