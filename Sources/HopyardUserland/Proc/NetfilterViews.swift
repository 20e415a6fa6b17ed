import HopyardSimulator
import HopyardWire

/// What netfilter shows below `/proc/net`: connections, the lists of `recent` and the buckets of
/// `hashlimit`.
enum NetfilterViews {
  private static let recent = "xt_recent"
  private static let hashLimit = "ipt_hashlimit"

  /// The names right below `/proc/net`.
  static let names = [hashLimit, "nf_conntrack", recent]

  /// The content of a file; nil if there is none of that path.
  static func read(_ path: String, _ namespace: NetworkNamespace) -> String? {
    let parts = path.split(separator: "/").map(String.init)
    switch (parts.first, parts.count) {
    case ("nf_conntrack", 1): return connections(namespace)
    case (recent, 2):
      return namespace.netfilter.recentTable(parts[1]).map { text($0) }
    case (hashLimit, 2):
      return namespace.netfilter.hashLimitBuckets(parts[1]).map { text($0, namespace) }
    default: return nil
    }
  }

  /// The names in a directory; nil if there is none of that path.
  static func list(_ path: String, _ namespace: NetworkNamespace) -> [String]? {
    switch path {
    case recent: namespace.netfilter.recentTableNames
    case hashLimit: namespace.netfilter.hashLimitNames
    default: nil
    }
  }

  /// Adds or removes an address of a list of `recent`; false if there is no such file.
  static func write(
    _ path: String,
    _ bytes: [UInt8],
    _ namespace: NetworkNamespace
  ) throws(Errno) -> Bool {
    let parts = path.split(separator: "/").map(String.init)
    guard parts.count == 2, parts[0] == recent,
      let table = namespace.netfilter.recentTable(parts[1])
    else { return false }
    let text = String(decoding: bytes, as: UTF8.self)
    let command = text.prefix { !" \n".contains($0) }
    switch command.first {
    case "/": table.removeAll()
    case "+":
      guard let address = IPv4Address(String(command.dropFirst())) else {
        throw .invalidArgument
      }
      table.add(address, at: namespace.simulation.now)
    case "-":
      guard let address = IPv4Address(String(command.dropFirst())) else {
        throw .invalidArgument
      }
      table.remove(address)
    default: throw .invalidArgument
    }
    return true
  }

  private static func connections(_ namespace: NetworkNamespace) -> String {
    namespace.netfilter.connections.records().reversed().map { record in
      var style = ConntrackText.Style(isExtended: true)
      style.users = 2
      style.showsZone = true
      return ConntrackText.line(record, style) + "\n"
    }.joined()
  }

  /// Time as the kernel counts it, from five minutes before the counter's overflow.
  private static func jiffies(_ time: Instant) -> Int64 {
    4_294_892_296 + time.nanoseconds / 4_000_000
  }

  private static func text(_ table: RecentTable) -> String {
    table.list.map { entry in
      let last = entry.stamps.last.map { jiffies($0) } ?? 0
      let stamps = entry.stamps.map { String(jiffies($0)) }.joined(separator: ", ")
      return "src=\(entry.address) ttl: \(entry.ttl) last_seen: \(last) "
        + "oldest_pkt: \(entry.index) \(stamps)\n"
    }.joined()
  }

  private static func text(
    _ buckets: [HashLimitBucket],
    _ namespace: NetworkNamespace
  ) -> String {
    buckets.map { bucket in
      let left = max(0, bucket.expires - namespace.simulation.now) / 1_000_000_000
      return "\(left) \(bucket.source):\(bucket.sourcePort)->"
        + "\(bucket.destination):\(bucket.destinationPort) "
        + "\(bucket.credit) \(bucket.creditLimit) \(bucket.cost)\n"
    }.joined()
  }
}
