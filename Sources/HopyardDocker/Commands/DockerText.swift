import HopyardContainers
import HopyardSimulator
import HopyardWire

/// Times, ports and states in the docker client's words.
enum DockerText {
  /// `About a minute`.
  static func duration(_ nanoseconds: Int64) -> String {
    let seconds = max(0, nanoseconds) / 1_000_000_000
    let minutes = seconds / 60
    let hours = (seconds + 1800) / 3600
    if seconds < 1 { return "Less than a second" }
    if seconds == 1 { return "1 second" }
    if seconds < 60 { return "\(seconds) seconds" }
    if minutes == 1 { return "About a minute" }
    if minutes < 60 { return "\(minutes) minutes" }
    if hours == 1 { return "About an hour" }
    if hours < 48 { return "\(hours) hours" }
    if hours < 24 * 7 * 2 { return "\(hours / 24) days" }
    if hours < 24 * 30 * 2 { return "\(hours / 24 / 7) weeks" }
    if hours < 24 * 365 * 2 { return "\(hours / 24 / 30) months" }
    return "\(hours / 24 / 365) years"
  }

  static func status(_ container: Container, now: Instant) -> String {
    switch container.state {
    case .created: "Created"
    case .running: "Up " + duration(now - (container.started ?? now))
    case .exited:
      "Exited (\(container.exitStatus)) " + duration(now - (container.finished ?? now)) + " ago"
    }
  }

  static func name(_ ipProtocol: IPProtocol) -> String {
    ipProtocol == .udp ? "udp" : ipProtocol == .sctp ? "sctp" : "tcp"
  }

  static func host(_ address: IPAddress) -> String {
    address.v4 == nil ? "[\(address)]" : "\(address)"
  }

  /// The ports as `docker ps` lists them.
  static func ports(_ container: Container, _ engine: DockerEngine) -> String {
    guard container.isRunning else { return "" }
    var texts: [String] = []
    var seen: Set<String> = []
    for binding in container.bindings.sorted(by: portOrder) {
      let inside = "\(binding.port)/\(name(binding.ipProtocol))"
      seen.insert(inside)
      if let port = binding.hostPort {
        texts.append("\(host(binding.hostAddress)):\(port)->\(inside)")
      } else if !texts.contains(inside) {
        texts.append(inside)
      }
    }
    let mode = container.specification.networkMode
    if mode != .host {
      let exposed = engine.exposedPorts(of: container)
        .map { (port: $0.port, text: "\($0.port)/\(name($0.ipProtocol))") }
        .filter { !seen.contains($0.text) }
        .sorted { ($0.port, $0.text) < ($1.port, $1.text) }
      texts += exposed.map(\.text)
    }
    return texts.joined(separator: ", ")
  }

  static func portOrder(_ a: PortBinding, _ b: PortBinding) -> Bool {
    if a.hostAddress != b.hostAddress, a.port == b.port, a.ipProtocol == b.ipProtocol {
      return a.hostAddress < b.hostAddress
    }
    return (a.port, name(a.ipProtocol), a.hostPort ?? 0) < (
      b.port, name(b.ipProtocol), b.hostPort ?? 0
    )
  }

  static func command(_ container: Container, isWhole: Bool) -> String {
    let words = container.specification.command
    let text = words.isEmpty ? container.image : words.joined(separator: " ")
    if isWhole || text.count <= 20 { return "\"\(text)\"" }
    return "\"\(text.prefix(19))…\""
  }

  /// A point in time as the API writes it.
  static func date(_ instant: Instant?) -> String {
    guard let instant else { return "0001-01-01T00:00:00Z" }
    // A run begins with the year 2026.
    let epochDays: Int64 = 20_454
    let total = instant.nanoseconds / 1_000_000_000
    let fraction = String(instant.nanoseconds % 1_000_000_000 + 1_000_000_000).dropFirst()
    let (year, month, day) = civil(epochDays + total / 86_400)
    func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let time = total % 86_400
    return "\(year)-\(two(month))-\(two(day))T\(two(time / 3600)):\(two(time / 60 % 60)):"
      + "\(two(time % 60)).\(fraction)Z"
  }

  private static func civil(_ days: Int64) -> (Int64, Int64, Int64) {
    let shifted = days + 719_468
    let era = shifted / 146_097
    let day = shifted - era * 146_097
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365
    let yearDay = day - (365 * year + year / 4 - year / 100)
    let month = (5 * yearDay + 2) / 153
    let real = month < 10 ? month + 3 : month - 9
    return (year + era * 400 + (real <= 2 ? 1 : 0), real, yearDay - (153 * month + 2) / 5 + 1)
  }
}
