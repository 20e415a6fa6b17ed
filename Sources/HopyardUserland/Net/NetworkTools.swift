extension CommandTable {
  /// Adds the commands that send, hear and look at packets, and those that show and change the
  /// network's settings.
  public func addNetworkTools() {
    add([PingCommand.command, SysctlCommand.command])
  }
}

extension Userland {
  /// Shows `/proc/sys`, `/proc/net` and `/sys/class/net`.
  func mountNetworkViews() {
    files.mount(SystemSettingsTree(), at: "/proc/sys")
  }
}
