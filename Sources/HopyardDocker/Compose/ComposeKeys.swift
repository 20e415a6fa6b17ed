/// The keys of the compose specification; those that mean nothing on the wire are accepted.
enum ComposeKeys {
  static let top: Set<String> = [
    "name", "version", "services", "networks", "volumes", "configs", "secrets", "include", "models",
  ]

  static let service: Set<String> = [
    "annotations", "attach", "build", "blkio_config", "cap_add", "cap_drop", "cgroup",
    "cgroup_parent", "command", "configs", "container_name", "cpu_count", "cpu_percent",
    "cpu_shares", "cpu_quota", "cpu_period", "cpu_rt_period", "cpu_rt_runtime", "cpus", "cpuset",
    "credential_spec", "depends_on", "deploy", "develop", "device_cgroup_rules", "devices", "dns",
    "dns_opt", "dns_search", "domainname", "entrypoint", "env_file", "environment", "expose",
    "extends", "external_links", "extra_hosts", "gpus", "group_add", "healthcheck", "hostname",
    "image", "init", "ipc", "isolation", "label_file", "labels", "links", "logging", "mac_address",
    "mem_limit", "mem_reservation", "mem_swappiness", "memswap_limit", "models", "network_mode",
    "networks", "oom_kill_disable", "oom_score_adj", "pid", "pids_limit", "platform", "ports",
    "post_start", "pre_start", "pre_stop", "privileged", "profiles", "provider", "pull_policy",
    "pull_refresh_after", "read_only", "restart", "runtime", "scale", "secrets", "security_opt",
    "shm_size", "stdin_open", "stop_grace_period", "stop_signal", "storage_opt", "sysctls", "tmpfs",
    "tty", "ulimits", "use_api_socket", "user", "userns_mode", "uts", "volumes", "volumes_from",
    "working_dir",
  ]

  static let serviceNetwork: Set<String> = [
    "aliases", "interface_name", "ipv4_address", "ipv6_address", "link_local_ips", "mac_address",
    "driver_opts", "priority", "gw_priority",
  ]

  static let network: Set<String> = [
    "name", "driver", "driver_opts", "attachable", "enable_ipv4", "enable_ipv6", "external",
    "internal", "ipam", "labels",
  ]

  static let ipam: Set<String> = ["driver", "config", "options"]
  static let ipamConfig: Set<String> = ["subnet", "ip_range", "gateway", "aux_addresses"]

  static let port: Set<String> = [
    "target", "published", "host_ip", "protocol", "mode", "name", "app_protocol",
  ]

  static let dependency: Set<String> = ["condition", "restart", "required"]

  static let deploy: Set<String> = [
    "mode", "endpoint_mode", "replicas", "labels", "rollback_config", "update_config", "resources",
    "restart_policy", "placement",
  ]

  static let health: Set<String> = [
    "disable", "interval", "retries", "test", "timeout", "start_period", "start_interval",
  ]

  static let build: Set<String> = [
    "additional_contexts", "args", "cache_from", "cache_to", "context", "dockerfile",
    "dockerfile_inline", "entitlements", "extra_hosts", "isolation", "labels", "network",
    "no_cache", "no_cache_filter", "platforms", "privileged", "provenance", "pull", "sbom",
    "secrets", "shm_size", "ssh", "tags", "target", "ulimits",
  ]

  static let extends: Set<String> = ["service", "file"]
  static let include: Set<String> = ["path", "project_directory", "env_file"]
  static let environmentFile: Set<String> = ["path", "required", "format"]

  static let volume: Set<String> = ["name", "driver", "driver_opts", "external", "labels"]
  static let model: Set<String> = ["name", "model", "context_size", "runtime_flags"]
  static let file: Set<String> = [
    "name", "content", "file", "environment", "external", "labels", "template_driver", "driver",
    "driver_opts",
  ]
}
