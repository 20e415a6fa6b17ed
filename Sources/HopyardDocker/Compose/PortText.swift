import HopyardContainers
import HopyardUserland
import HopyardWire

/// Ports as `-p` and the short form of compose write them: `[ADDRESS:][HOST:]CONTAINER[/PROTOCOL]`.
enum PortText {
  /// What is wrong with such a text.
  struct Failure: Error {
    var message: String
  }

  static func requests(_ text: String) throws(Failure) -> [PortRequest] {
    var body = text[...]
    var ipProtocol = IPProtocol.tcp
    if let slash = body.lastIndex(of: "/") {
      switch body[body.index(after: slash)...].lowercased() {
      case "tcp": break
      case "udp": ipProtocol = .udp
      case "sctp": ipProtocol = .sctp
      default: throw Failure(message: "invalid proto in `\(text)', expected tcp, udp or sctp")
      }
      body = body[..<slash]
    }
    var address: IPAddress?
    var isAddressGiven = false
    if body.hasPrefix("["), let end = body.firstIndex(of: "]") {
      let inner = body[body.index(after: body.startIndex)..<end]
      guard let found = IPAddress(String(inner)) else {
        throw Failure(message: "invalid IP address in `\(text)'")
      }
      address = found
      isAddressGiven = true
      body = body[body.index(after: end)...]
      guard body.first == ":" else { throw Failure(message: "no port in `\(text)'") }
      body.removeFirst()
    }
    var parts = body.split(separator: ":", omittingEmptySubsequences: false)
    if !isAddressGiven, parts.count >= 3 {
      let head = parts.dropLast(2).joined(separator: ":")
      if !head.isEmpty {
        guard let found = IPAddress(head) else {
          throw Failure(message: "invalid IP address in `\(text)'")
        }
        address = found
      }
      parts = Array(parts.suffix(2))
    }
    guard let last = parts.last, !last.isEmpty else {
      throw Failure(message: "no container port in `\(text)'")
    }
    let inside = try range(last, text)
    guard parts.count == 2, !parts[0].isEmpty else {
      return inside.map { PortRequest($0, ipProtocol, hostAddress: address) }
    }
    let outside = try range(parts[0], text)
    if inside.count == 1 {
      return [
        PortRequest(
          inside.lowerBound,
          ipProtocol,
          hostAddress: address,
          hostPort: outside.lowerBound,
          hostPortEnd: outside.upperBound
        )
      ]
    }
    guard inside.count == outside.count else {
      throw Failure(message: "the ranges of ports in `\(text)' are not of the same length")
    }
    return zip(inside, outside).map {
      PortRequest($0, ipProtocol, hostAddress: address, hostPort: $1, hostPortEnd: $1)
    }
  }

  private static func range(_ part: Substring, _ text: String) throws(Failure)
    -> ClosedRange<UInt16>
  {
    let ends = part.split(separator: "-", omittingEmptySubsequences: false)
    guard ends.count <= 2, let first = ends.first.flatMap({ UInt16($0) }),
      let last = ends.last.flatMap({ UInt16($0) }), first > 0, first <= last
    else {
      throw Failure(message: "invalid port `\(part)' in `\(text)', expected 1 to 65535")
    }
    return first...last
  }

  // MARK: With places

  static func requests(_ text: String, _ node: YAMLNode) throws(Problem) -> [PortRequest] {
    do {
      return try requests(text)
    } catch {
      throw node.problem(error.message)
    }
  }

  /// `3000-3005/udp`.
  static func range(_ text: String, _ node: YAMLNode) throws(Problem) -> (
    ClosedRange<UInt16>, IPProtocol
  ) {
    let halves = text.split(separator: "/", maxSplits: 1)
    var ipProtocol = IPProtocol.tcp
    if halves.count == 2 {
      switch halves[1].lowercased() {
      case "tcp": break
      case "udp": ipProtocol = .udp
      case "sctp": ipProtocol = .sctp
      default: throw node.problem("invalid protocol in `\(text)', expected tcp, udp or sctp")
      }
    }
    do {
      return (try range(halves.first ?? "", text), ipProtocol)
    } catch {
      throw node.problem(error.message)
    }
  }
}
