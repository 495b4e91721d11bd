"""Where finished files go: one protocol, a folder and Alibaba Cloud OSS behind it, and the manifest that commits a window."""
