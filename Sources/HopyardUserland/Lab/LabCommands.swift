import HopyardSimulator

extension CommandTable {
  /// The commands that labs can use.
  public static func labCommands(iptables: IptablesVariant = .nft) -> CommandTable {
    let table = CommandTable()
    table.addStandardCommands()
    table.addNetworkTools()
    table.add(IpCommand.command)
    table.add(BridgeCommand.command)
    table.add(BrctlCommand.command)
    table.addConntrackCommand()
    table.addIpsetCommand()
    table.addNftCommand()
    table.addDNSTools()
    table.addHTTPTools()
    table.addIptables(plain: iptables == .nft ? .nft : .legacy)
    return table
  }
}

extension Userland {
  /// Puts `/proc` and `/sys` in place.
  public func mountNetworkTrees() { mountNetworkViews() }
}

/// Which kernel interface plain `iptables` uses.
public enum IptablesVariant: String, Sendable, CaseIterable {
  /// `iptables-nft`.
  case nft
  /// `iptables-legacy`.
  case legacy
}
