extension CommandTable {
  /// Adds the commands that send, hear and look at packets, and those that show and change the
  /// network's settings.
  public func addNetworkTools() {
    add([
      ArpCommand.command, ArpingCommand.command, CounterCommand.command, EthtoolCommand.command,
      IfconfigCommand.command, IperfCommand.command, MtrCommand.command, NamespaceCommands.nsenter,
      NamespaceCommands.unshare,
      NetcatCommand.command, NetstatCommand.command, PingCommand.command, RouteCommand.command,
      SocatCommand.command,
      SocketStatisticsCommand.command, SysctlCommand.command, TcpdumpCommand.command,
      TracepathCommand.command, TracerouteCommand.command,
    ])
    alias("netcat", to: "nc")
    alias("nc.openbsd", to: "nc")
  }
}

extension Userland {
  /// Shows `/proc/sys`, `/proc/net` and `/sys/class/net`.
  func mountNetworkViews() {
    files.mount(SystemSettingsTree(), at: "/proc/sys")
    files.mount(NetworkInformationTree(), at: "/proc/net")
    files.mount(NetworkInformationTree(), at: "/proc/self/net")
    files.mount(DeviceClassTree(), at: "/sys/class/net")
  }
}
