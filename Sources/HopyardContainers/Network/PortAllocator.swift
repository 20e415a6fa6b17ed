public import HopyardWire

/// The ports of a machine that are handed out to published services.
///
/// An address of all zeros takes the port of every address of its family.
public struct PortAllocator: Sendable {
  /// Why a port is not given.
  public enum Failure: Error, Hashable, Sendable {
    /// The port is taken.
    case taken(IPAddress, UInt16)
    /// No port of the range is free.
    case exhausted(UInt16, UInt16)
  }

  private struct Key: Hashable, Sendable {
    var ipProtocol: UInt8
    var port: UInt16
  }

  private struct Counter: Hashable, Sendable {
    var ipProtocol: UInt8
    var address: IPAddress
  }

  /// The range for ports that nobody named (`net.ipv4.ip_local_port_range`).
  public var range: ClosedRange<UInt16> = 32_768...60_999
  /// Ports of that range that are never chosen (`net.ipv4.ip_local_reserved_ports`).
  public var reserved: Set<UInt16> = []
  private var taken: [Key: [IPAddress]] = [:]
  private var next: [Counter: UInt16] = [:]

  /// Makes an allocator with no port taken.
  public init() {}

  /// Whether a port of an address can be had.
  public func isFree(_ port: UInt16, _ address: IPAddress, _ ipProtocol: IPProtocol) -> Bool {
    guard let owners = taken[Key(ipProtocol: ipProtocol.rawValue, port: port)] else { return true }
    return !owners.contains {
      ($0.v4 == nil) == (address.v4 == nil) && ($0 == address || $0.isAny || address.isAny)
    }
  }

  /// Takes one port.
  public mutating func take(_ port: UInt16, _ address: IPAddress, _ ipProtocol: IPProtocol)
    throws(Failure)
  {
    guard isFree(port, address, ipProtocol) else { throw .taken(address, port) }
    taken[Key(ipProtocol: ipProtocol.rawValue, port: port), default: []].append(address)
  }

  /// Takes the same free port of all the addresses, from a range or from the ephemeral ports.
  public mutating func takeAny(
    of addresses: [IPAddress],
    _ ipProtocol: IPProtocol,
    in wanted: ClosedRange<UInt16>? = nil,
    where isUsable: (UInt16) -> Bool = { _ in true }
  ) throws(Failure) -> UInt16 {
    let ports = wanted ?? range
    var port = ports.lowerBound
    let counter = addresses.first.map {
      Counter(ipProtocol: ipProtocol.rawValue, address: $0)
    }
    if wanted == nil, let counter, let following = next[counter], ports.contains(following) {
      port = following
    }
    for _ in 0..<ports.count {
      let candidate = port
      port = candidate < ports.upperBound ? candidate + 1 : ports.lowerBound
      if wanted == nil, reserved.contains(candidate) { continue }
      guard addresses.allSatisfy({ isFree(candidate, $0, ipProtocol) }), isUsable(candidate)
      else { continue }
      for address in addresses { try take(candidate, address, ipProtocol) }
      if wanted == nil, let counter { next[counter] = port }
      return candidate
    }
    throw .exhausted(ports.lowerBound, ports.upperBound)
  }

  /// Gives a port back.
  public mutating func release(_ port: UInt16, _ address: IPAddress, _ ipProtocol: IPProtocol) {
    let key = Key(ipProtocol: ipProtocol.rawValue, port: port)
    guard var owners = taken[key], let index = owners.firstIndex(of: address) else { return }
    owners.remove(at: index)
    taken[key] = owners.isEmpty ? nil : owners
  }
}
