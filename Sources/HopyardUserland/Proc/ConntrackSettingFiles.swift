import HopyardSimulator

/// `net/netfilter/nf_conntrack_*`.
enum ConntrackSettingFiles {
  static let names: [String] = []

  static func setting(_ key: String, _ namespace: NetworkNamespace) -> SystemSetting? { nil }
}
