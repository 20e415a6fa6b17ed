public import HopyardWire

/// A number that must be equal.
public struct ValueMatch: Hashable, Sendable {
  /// The number.
  public var value: UInt8
  /// Whether the match is the other way round (`!`).
  public var inverted: Bool

  /// Makes a match.
  public init(_ value: UInt8, inverted: Bool = false) {
    self.value = value
    self.inverted = inverted
  }
}

/// A number within bounds.
public struct RangeMatch: Hashable, Sendable {
  /// The least number.
  public var lower: UInt32
  /// The greatest number.
  public var upper: UInt32
  /// Whether the match is the other way round (`!`).
  public var inverted: Bool

  /// Makes a match of the numbers `lower` through `upper`.
  public init(_ lower: UInt32, _ upper: UInt32, inverted: Bool = false) {
    self.lower = lower
    self.upper = upper
    self.inverted = inverted
  }

  /// Whether a number satisfies the match.
  @inlinable
  public func matches(_ number: UInt32) -> Bool {
    (number >= lower && number <= upper) != inverted
  }
}

/// How a TTL or hop limit compares.
public struct HopMatch: Hashable, Sendable {
  /// The comparison.
  public enum Comparison: UInt8, Hashable, Sendable {
    /// `--ttl-eq`.
    case equal
    /// `! --ttl-eq`.
    case notEqual
    /// `--ttl-lt`.
    case less
    /// `--ttl-gt`.
    case greater
  }

  /// The comparison of the packet's number with `value`.
  public var comparison: Comparison
  /// The number compared with.
  public var value: UInt8

  /// Makes a match.
  public init(_ comparison: Comparison, _ value: UInt8) {
    self.comparison = comparison
    self.value = value
  }
}

/// The TOS field under a mask.
public struct TOSMatch: Hashable, Sendable {
  /// The value under the mask.
  public var value: UInt8
  /// The bits that count.
  public var mask: UInt8
  /// Whether the match is the other way round (`!`).
  public var inverted: Bool

  /// Makes a match.
  public init(value: UInt8, mask: UInt8, inverted: Bool = false) {
    self.value = value
    self.mask = mask
    self.inverted = inverted
  }
}

/// A mark under a mask.
public struct MarkMatch: Hashable, Sendable {
  /// The value.
  public var mark: UInt32
  /// The bits of the packet's mark that count.
  public var mask: UInt32
  /// Whether the match is the other way round (`!`).
  public var inverted: Bool

  /// Makes a match.
  public init(_ mark: UInt32, mask: UInt32 = .max, inverted: Bool = false) {
    self.mark = mark
    self.mask = mask
    self.inverted = inverted
  }

  /// Whether a mark satisfies the match.
  @inlinable
  public func matches(_ other: UInt32) -> Bool {
    (other & mask == mark) != inverted
  }
}

/// The source address of the frame.
public struct MACMatch: Hashable, Sendable {
  /// The address.
  public var address: MACAddress
  /// Whether the match is the other way round (`!`).
  public var inverted: Bool

  /// Makes a match.
  public init(_ address: MACAddress, inverted: Bool = false) {
    self.address = address
    self.inverted = inverted
  }
}

/// How the frame was addressed.
public struct PacketTypeMatch: Hashable, Sendable {
  /// The kinds, with the kernel's numbers.
  public enum Kind: UInt8, Hashable, Sendable {
    /// To this host.
    case unicast = 0
    /// To all.
    case broadcast = 1
    /// To a group.
    case multicast = 2
    /// To another host.
    case otherHost = 3
  }

  /// The kind.
  public var kind: Kind
  /// Whether the match is the other way round (`!`).
  public var inverted: Bool

  /// Makes a match.
  public init(_ kind: Kind, inverted: Bool = false) {
    self.kind = kind
    self.inverted = inverted
  }
}

/// First and last addresses.
public struct AddressRangeMatch: Hashable, Sendable {
  /// One range.
  public struct Bounds: Hashable, Sendable {
    /// The first address, as an integer in host order.
    public var first: UInt128
    /// The last address; a range that ends before it begins matches nothing.
    public var last: UInt128
    /// Whether the match is the other way round (`!`).
    public var inverted: Bool

    /// Makes a range.
    public init(_ first: UInt128, _ last: UInt128, inverted: Bool = false) {
      self.first = first
      self.last = last
      self.inverted = inverted
    }

    /// Whether an address satisfies the match.
    @inlinable
    public func matches(_ address: UInt128) -> Bool {
      (address >= first && address <= last) != inverted
    }
  }

  /// The range of the source.
  public var source: Bounds?
  /// The range of the destination.
  public var destination: Bounds?

  /// Makes a match; what is left out does not restrict.
  public init(source: Bounds? = nil, destination: Bounds? = nil) {
    self.source = source
    self.destination = destination
  }
}

/// Bytes that are searched in a packet.
public struct StringMatch: Hashable, Sendable {
  /// The algorithms that the kernel offers; they find the same.
  public enum Algorithm: String, Hashable, Sendable {
    /// Boyer and Moore.
    case boyerMoore = "bm"
    /// Knuth, Morris and Pratt.
    case knuthMorrisPratt = "kmp"
  }

  /// The bytes.
  public var pattern: [UInt8]
  /// Whether the pattern was written in hexadecimal.
  public var isHexadecimal: Bool
  /// The algorithm.
  public var algorithm: Algorithm
  /// The offset from the IP header at which the search begins.
  public var from: UInt16
  /// The last offset at which the pattern may begin.
  public var to: UInt16
  /// Whether upper and lower case count as the same.
  public var ignoresCase: Bool
  /// Whether the match is the other way round (`!`).
  public var inverted: Bool

  /// Makes a match.
  public init(
    pattern: [UInt8],
    isHexadecimal: Bool = false,
    algorithm: Algorithm,
    from: UInt16 = 0,
    to: UInt16 = .max,
    ignoresCase: Bool = false,
    inverted: Bool = false
  ) {
    self.pattern = pattern
    self.isHexadecimal = isHexadecimal
    self.algorithm = algorithm
    self.from = from
    self.to = to
    self.ignoresCase = ignoresCase
    self.inverted = inverted
  }
}

/// Tests of words of a packet, as `-m u32` spells them.
public struct U32Match: Hashable, Sendable {
  /// How the number so far and an operand make the next number.
  public enum Operation: UInt8, Hashable, Sendable {
    /// `&`.
    case and
    /// `<<`.
    case leftShift
    /// `>>`.
    case rightShift
    /// `@`: moves to the place that the number names and reads a word there.
    case at
  }

  /// One step of a location.
  public struct Step: Hashable, Sendable {
    /// The operation.
    public var operation: Operation
    /// The operand.
    public var operand: UInt32

    /// Makes a step.
    public init(_ operation: Operation, _ operand: UInt32) {
      self.operation = operation
      self.operand = operand
    }
  }

  /// A location and the values that it may have.
  public struct Test: Hashable, Sendable {
    /// The offset of the first word.
    public var offset: UInt32
    /// What is done with it.
    public var steps: [Step]
    /// The values, each a first and a last one.
    public var values: [RangeMatch]

    /// Makes a test.
    public init(offset: UInt32, steps: [Step], values: [RangeMatch]) {
      self.offset = offset
      self.steps = steps
      self.values = values
    }
  }

  /// The tests, all of which must hold.
  public var tests: [Test]
  /// Whether the match is the other way round (`!`).
  public var inverted: Bool

  /// Makes a match.
  public init(_ tests: [Test], inverted: Bool = false) {
    self.tests = tests
    self.inverted = inverted
  }
}
