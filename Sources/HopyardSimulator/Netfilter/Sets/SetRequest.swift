/// An entry to be added, removed or tested, as a user writes it: its parts may be ranges.
public struct SetRequest: Hashable, Sendable {
  /// An address, a network or a range of addresses.
  public struct Addresses: Hashable, Sendable {
    /// The address, or the first of a range.
    public var first: UInt128
    /// The last of a range.
    public var last: UInt128?
    /// The prefix length behind a slash.
    public var prefix: UInt8?

    /// Makes one.
    public init(_ first: UInt128, last: UInt128? = nil, prefix: UInt8? = nil) {
      self.first = first
      self.last = last
      self.prefix = prefix
    }
  }

  /// A port or a range of ports.
  public struct Ports: Hashable, Sendable {
    /// The port, or the first of a range.
    public var first: UInt16
    /// The last of a range.
    public var last: UInt16?

    /// Makes one.
    public init(_ first: UInt16, last: UInt16? = nil) {
      self.first = first
      self.last = last
    }
  }

  /// The first address part.
  public var addresses: Addresses?
  /// The second address part.
  public var secondAddresses: Addresses?
  /// The protocol of the ports.
  public var `protocol`: UInt8?
  /// The ports.
  public var ports: Ports?
  /// The second ports.
  public var secondPorts: Ports?
  /// The hardware address.
  public var hardwareAddress: UInt64?
  /// The mark.
  public var mark: UInt32?
  /// The interface.
  public var interface: String?
  /// Whether the interface is the port of a bridge (`physdev:`).
  public var isPhysicalDevice = false
  /// Whether the interface's name is the beginning of names (`wildcard`).
  public var isWildcard = false
  /// The name of a set.
  public var member: String?
  /// The set that `before` or `after` names.
  public var reference: String?
  /// Whether it is `before`.
  public var isBefore = false
  /// `nomatch`.
  public var isNoMatch = false
  /// Timeout, counters, comment and the like.
  public var information = SetExtension()

  /// Makes a request without parts.
  public init() {}
}

/// Values that are tried one after the other: single addresses, networks or ports.
struct AddressBlocks {
  var next: UInt128
  let last: UInt128
  /// Nil for networks, as large as fit.
  let step: UInt128?
  let bits: Int
  private var isDone = false

  /// One address or network.
  init(only address: UInt128, prefix: Int) {
    next = address
    last = address
    step = 1
    bits = prefix
  }

  init(first: UInt128, last: UInt128, step: UInt128?, bits: Int) {
    next = first
    self.last = last
    self.step = step
    self.bits = bits
  }

  mutating func pop() -> (address: UInt128, prefix: UInt8)? {
    guard !isDone, next <= last else { return nil }
    let address = next
    var prefix = bits
    let size: UInt128
    if let step {
      size = step
    } else {
      // The largest network that begins here and ends within the range.
      while prefix > 1 {
        let room = UInt128(1) &<< UInt128(bits - prefix + 1)
        guard address & (room &- 1) == 0, room &- 1 <= last &- address else { break }
        prefix -= 1
      }
      size = UInt128(1) &<< UInt128(bits - prefix)
    }
    let (sum, overflow) = address.addingReportingOverflow(size)
    if overflow { isDone = true } else { next = sum }
    return (address, UInt8(truncatingIfNeeded: prefix))
  }
}
