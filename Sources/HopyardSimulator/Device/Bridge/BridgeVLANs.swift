/// The VLANs of a bridge port, or of the bridge itself.
public struct BridgeVLANs: Sendable {
  /// How a member VLAN is treated.
  public struct Member: Sendable, Equatable {
    /// The VLAN identifier, 1 to 4094.
    public var identifier: UInt16
    /// Frames of the VLAN leave without a tag.
    public var isUntagged: Bool
    /// On the bridge: it is a member itself and not only known because of a port.
    public var isEntry = true
  }

  /// The members in order of their identifiers.
  public private(set) var members: [Member] = []
  /// The VLAN of frames that come without a tag, or 0.
  public internal(set) var pvid: UInt16 = 0
  /// One bit for each VLAN, so that a frame needs no search.
  private var present = ContiguousArray<UInt64>()
  private var untagged = ContiguousArray<UInt64>()

  init() {}

  /// Whether a VLAN is carried.
  @inline(__always)
  public func contains(_ identifier: UInt16) -> Bool {
    Self.test(present, identifier)
  }

  /// Whether frames of a VLAN leave without a tag.
  @inline(__always)
  public func isUntagged(_ identifier: UInt16) -> Bool { Self.test(untagged, identifier) }

  @inline(__always)
  private static func test(_ bits: ContiguousArray<UInt64>, _ identifier: UInt16) -> Bool {
    guard Int(identifier &>> 6) < bits.count else { return false }
    return bits[Int(identifier &>> 6)] &>> UInt64(identifier & 63) & 1 != 0
  }

  private static func set(
    _ bits: inout ContiguousArray<UInt64>,
    _ identifier: UInt16,
    _ value: Bool
  ) {
    guard identifier < 4096 else { return }
    // No more words than the highest VLAN needs: most ports carry VLAN 1 only.
    if Int(identifier >> 6) >= bits.count {
      guard value else { return }
      bits.append(
        contentsOf: repeatElement(0, count: Int(identifier >> 6) + 1 - bits.count)
      )
    }
    let mask = UInt64(1) << UInt64(identifier & 63)
    if value {
      bits[Int(identifier >> 6)] |= mask
    } else {
      bits[Int(identifier >> 6)] &= ~mask
    }
  }

  /// Adds a VLAN, or changes how it is treated.
  mutating func add(_ identifier: UInt16, untagged isUntagged: Bool, pvid isPVID: Bool) {
    let member = Member(identifier: identifier, isUntagged: isUntagged)
    let at = members.firstIndex { $0.identifier >= identifier } ?? members.count
    if at < members.count && members[at].identifier == identifier {
      members[at] = member
    } else {
      members.insert(member, at: at)
    }
    Self.set(&present, identifier, true)
    Self.set(&untagged, identifier, isUntagged)
    if isPVID {
      pvid = identifier
    } else if pvid == identifier {
      pvid = 0
    }
  }

  /// Removes a VLAN; false if it was not there.
  mutating func remove(_ identifier: UInt16) -> Bool {
    guard let at = members.firstIndex(where: { $0.identifier == identifier }) else { return false }
    members.remove(at: at)
    Self.set(&present, identifier, false)
    Self.set(&untagged, identifier, false)
    if pvid == identifier { pvid = 0 }
    return true
  }
}
