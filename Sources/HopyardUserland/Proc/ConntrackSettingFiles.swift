import HopyardSimulator

/// `net/netfilter/nf_conntrack_*`.
enum ConntrackSettingFiles {
  private static let prefix = "nf_conntrack_"

  static let names: [String] = {
    let settings = ConntrackSettings()
    return ConntrackSettings.names.filter { settings[$0] != nil }.map { prefix + $0 }
      + [prefix + "count"]
  }()

  static func setting(_ key: String, _ namespace: NetworkNamespace) -> SystemSetting? {
    guard key.hasPrefix(prefix) else { return nil }
    let name = String(key.dropFirst(prefix.count))
    // Rules that were just loaded may have changed a setting.
    _ = namespace.netfilter.isIdle
    let connections = namespace.netfilter.connections
    if name == "count" {
      return .integer(read: { Int64(connections.count) }, write: nil)
    }
    guard let value = connections.settings[name], !isConstant(name) else { return nil }
    let read = { Int64(connections.settings[name] ?? value) }
    // The table's size is the machine's: only its first namespace may change it.
    if name == "max", namespace !== namespace.machine.root {
      return .integer(read: read, write: nil)
    }
    return .integer(
      range(of: name),
      read: read,
      write: { value throws(Errno) in connections.settings[name] = Int(value) }
    )
  }

  private static func isConstant(_ name: String) -> Bool {
    name == "buckets" || name == "expect_max"
  }

  private static func range(of name: String) -> ClosedRange<Int64> {
    switch name {
    case "acct", "checksum", "tcp_be_liberal", "tcp_ignore_invalid_rst", "tcp_loose", "timestamp":
      0...1
    case "events": 0...2
    case "log_invalid", "tcp_max_retrans": 0...255
    default: Int64(Int32.min)...Int64(Int32.max)
    }
  }
}
