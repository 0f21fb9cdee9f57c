"""What others say about this project: external rule sets on the template, licences and advisories of the packages."""
