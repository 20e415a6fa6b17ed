/// What a set was made with.
public struct SetOptions: Hashable, Sendable {
  /// The address family.
  public var family: SetFamily
  /// The size of the hash at first.
  public var hashSize: UInt32 = 1024
  /// The greatest number of entries.
  public var maximumCount: UInt32 = 65536
  /// The greatest number of entries in one slot of the hash.
  public var bucketSize: UInt8 = 12
  /// The seed of the hash; nil for one of the set's own.
  public var seed: UInt32?
  /// `netmask`: the prefix length that addresses are cut to.
  public var prefix: UInt8?
  /// `bitmask`: the mask that addresses are cut to.
  public var mask: UInt128?
  /// `markmask`.
  public var markMask: UInt32 = .max
  /// `timeout` in seconds, 0 for entries that stay; nil if entries have none.
  public var timeout: UInt32?
  /// `counters`.
  public var hasCounters = false
  /// `comment`.
  public var hasComments = false
  /// `skbinfo`.
  public var hasPacketInformation = false
  /// `forceadd`: a full set gives up an entry for a new one.
  public var forcesAdding = false
  /// `range` of a bitmap: its first and last address or port.
  public var range: ClosedRange<UInt32> = 0...0
  /// `size` of a list.
  public var listSize: UInt32 = 8

  /// Makes the options of a set that is made without any.
  public init(family: SetFamily) {
    self.family = family
  }

  /// Whether a set with these options counts as the same set in `create -exist`.
  func isSame(as other: SetOptions, _ method: SetMethod) -> Bool {
    guard family == other.family, timeout == other.timeout, hasCounters == other.hasCounters,
      hasComments == other.hasComments, hasPacketInformation == other.hasPacketInformation
    else { return false }
    switch method {
    case .hash:
      return maximumCount == other.maximumCount && prefix == other.prefix && mask == other.mask
        && markMask == other.markMask
    case .bitmap: return range == other.range && prefix == other.prefix
    case .list: return listSize == other.listSize
    }
  }

  /// The mask of a prefix length in the set's family.
  func mask(length: Int) -> UInt128 { Self.mask(length: length, bits: family.addressBits) }

  static func mask(length: Int, bits: Int) -> UInt128 {
    let all: UInt128 = bits == 128 ? .max : UInt128(1) &<< UInt128(bits) &- 1
    if length <= 0 { return 0 }
    return length >= bits ? all : all & ~(UInt128(1) &<< UInt128(bits - length) &- 1)
  }
}

/// Why an operation on sets fails; the texts are ipset's own.
public enum SetError: Error, Hashable, Sendable {
  /// There is no set of the name.
  case noSuchSet
  /// A set of the name exists, and is another one.
  case exists
  /// The set is used by a rule or another set.
  case busy
  /// Renaming a set that is used.
  case referenced
  /// Renaming to the name of another set.
  case newNameExists
  /// Swapping with a set that does not exist.
  case noSecondSet
  /// Swapping sets of different types.
  case typeMismatch
  /// The entry is there already.
  case alreadyAdded
  /// The entry is not there.
  case notAdded
  /// A hash is full.
  case full
  /// An entry of zeros.
  case nullElement
  /// A prefix length of 0 or more than the address has.
  case invalidPrefix
  /// A netmask that does not fit the range.
  case invalidNetmask
  /// An entry without a protocol.
  case missingProtocol
  /// A range in IPv6.
  case rangeUnsupported
  /// A range of all addresses.
  case wholeRange
  /// Outside the range of a bitmap.
  case outOfRange
  /// A bitmap of more than 65536 values.
  case rangeSize
  /// More values at once than are tried.
  case rangeTooLarge
  /// A timeout for a set without.
  case noTimeout
  /// Counters for a set without.
  case noCounters
  /// A comment for a set without.
  case noComments
  /// Marks, priorities or queues for a set without.
  case noPacketInformation
  /// No set of the name that is to be an entry.
  case noMember
  /// A list is to be an entry of a list.
  case loop
  /// `before` or `after` name no set.
  case noReferenceSet
  /// `before` or `after` name a set that is not in the list.
  case referenceNotAdded
  /// Something that no kernel accepts.
  case invalid
}
