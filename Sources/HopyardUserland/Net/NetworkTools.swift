extension CommandTable {
  /// Adds the commands that send, hear and look at packets, and those that show and change the
  /// network's settings.
  public func addNetworkTools() {
    add([
      NetcatCommand.command, PingCommand.command, SocatCommand.command, SysctlCommand.command,
    ])
    alias("netcat", to: "nc")
    alias("nc.openbsd", to: "nc")
  }
}

extension Userland {
  /// Shows `/proc/sys`, `/proc/net` and `/sys/class/net`.
  func mountNetworkViews() {
    files.mount(SystemSettingsTree(), at: "/proc/sys")
  }
}
