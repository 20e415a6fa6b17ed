import HopyardWire

/// Facts about an entry of a bridge's forwarding database.
public struct FDBFlags: OptionSet, Sendable {
  /// The bits.
  public let rawValue: UInt8
  /// Makes flags from bits.
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  /// The address is one of this host: frames to it go up.
  public static let local = FDBFlags(rawValue: 1)
  /// It does not age.
  public static let `static` = FDBFlags(rawValue: 2)
  /// It does not move when the address is heard elsewhere.
  public static let sticky = FDBFlags(rawValue: 4)
  /// An administrator made it.
  public static let addedByUser = FDBFlags(rawValue: 8)
  /// An outside agent learned it (`extern_learn`).
  public static let externallyLearned = FDBFlags(rawValue: 16)
}

/// An entry of a bridge's forwarding database: behind which port an address is.
public final class FDBEntry {
  /// The address.
  public let mac: MACAddress
  /// The VLAN, or 0.
  public let vlan: UInt16
  /// The port; nil for an address of the bridge itself.
  @exclusivity(unchecked) public internal(set) var port: BridgePort? {
    didSet { portReference = port.map { .passUnretained($0) } }
  }
  /// The same without a reference count, for the way of each frame.
  @exclusivity(unchecked) fileprivate var portReference: Unmanaged<BridgePort>?
  /// Facts about it.
  @exclusivity(unchecked) public internal(set) var flags: FDBFlags
  /// When the address was last heard.
  @exclusivity(unchecked) public internal(set) var updated: Instant
  /// When a frame was last sent to it.
  @exclusivity(unchecked) public internal(set) var used: Instant
  /// Counts the entries of a bridge, so that they are listed newest first.
  var sequence: UInt64 = 0

  init(mac: MACAddress, vlan: UInt16, port: BridgePort?, flags: FDBFlags, now: Instant) {
    self.mac = mac
    self.vlan = vlan
    self.port = port
    portReference = port.map { .passUnretained($0) }
    self.flags = flags
    updated = now
    used = now
  }

  /// Whether age removes it.
  var ages: Bool { flags.isDisjoint(with: [.local, .static, .externallyLearned]) }
}

/// A bridge's addresses by VLAN and MAC address, with open addressing so that a look-up costs some
/// nanoseconds.
///
/// Entries that are too old stay in use until the collector comes by, as in Linux: it runs when the
/// oldest entry ends, as late as a kernel timer is. Nobody needs it while nobody looks, so the first
/// look after that time makes up for it.
final class ForwardingDatabase {
  @exclusivity(unchecked) private var keys: ContiguousArray<UInt64>
  @exclusivity(unchecked) private var slots: ContiguousArray<FDBEntry?>
  /// The same entries without reference counts, for the way of each frame.
  @exclusivity(unchecked) private var references: ContiguousArray<Unmanaged<FDBEntry>?>
  @exclusivity(unchecked) private var taken = 0
  @exclusivity(unchecked) private var lastSequence: UInt64 = 0
  /// How long an entry lives after its address was heard.
  @exclusivity(unchecked) private(set) var ageingTime: Int64 = .seconds(300)
  /// When the collector comes by next.
  @exclusivity(unchecked) private var nextCollection = Instant(nanoseconds: .max)

  init() {
    keys = ContiguousArray(repeating: 0, count: 16)
    slots = ContiguousArray(repeating: nil, count: 16)
    references = ContiguousArray(repeating: nil, count: 16)
  }

  @inline(__always)
  private static func key(_ mac: MACAddress, _ vlan: UInt16) -> UInt64 {
    mac.rawValue | UInt64(vlan) &<< 48
  }

  @inline(__always)
  private func place(_ key: UInt64) -> Int {
    Int(truncatingIfNeeded: (key &* 0x9e37_79b9_7f4a_7c15) &>> 32) & (keys.count &- 1)
  }

  /// The entry of an address.
  @inline(__always)
  func find(_ mac: MACAddress, vlan: UInt16, now: Instant) -> FDBEntry? {
    if now >= nextCollection { collect(now) }
    let key = Self.key(mac, vlan)
    var index = place(key)
    while let entry = slots[index] {
      if keys[index] == key {
        return entry
      }
      index = (index &+ 1) & (keys.count &- 1)
    }
    return nil
  }

  @inline(__always)
  private func reference(_ key: UInt64, _ now: Instant) -> Unmanaged<FDBEntry>? {
    if now >= nextCollection { collect(now) }
    var index = place(key)
    while let entry = references[index] {
      if keys[index] == key { return entry }
      index = (index &+ 1) & (keys.count &- 1)
    }
    return nil
  }

  /// Notes that a port heard an address; false if the entry has to be made or changed.
  @inline(__always)
  func hears(_ mac: MACAddress, vlan: UInt16, on port: BridgePort, _ now: Instant) -> Bool {
    guard ageingTime > 0, let entry = reference(Self.key(mac, vlan), now) else { return false }
    return entry._withUnsafeGuaranteedRef { entry in
      guard !entry.flags.contains(.local),
        entry.portReference?.toOpaque() == Unmanaged.passUnretained(port).toOpaque()
      else { return false }
      entry.updated = now
      return true
    }
  }

  /// Where frames to an address go, and whether that is up; nil if the address is not known.
  @inline(__always)
  func target(_ mac: MACAddress, vlan: UInt16, now: Instant, isUse: Bool = true)
    -> (port: Unmanaged<BridgePort>?, isLocal: Bool)?
  {
    guard let entry = reference(Self.key(mac, vlan), now) else { return nil }
    return entry._withUnsafeGuaranteedRef { entry in
      let isLocal = entry.flags.contains(.local)
      if isUse && !isLocal { entry.used = now }
      return (entry.portReference, isLocal)
    }
  }

  /// Adds an entry, in place of one with the same address and VLAN.
  func insert(_ entry: FDBEntry, now: Instant) {
    lastSequence &+= 1
    entry.sequence = lastSequence
    if (taken &+ 1) &* 2 > keys.count { rebuild(keeping: { _ in true }) }
    place(entry)
    if nextCollection.nanoseconds == .max, entry.ages { wait(from: now, for: ageingTime) }
  }

  private func place(_ entry: FDBEntry) {
    let key = Self.key(entry.mac, entry.vlan)
    var index = place(key)
    while slots[index] != nil && keys[index] != key { index = (index &+ 1) & (keys.count &- 1) }
    if slots[index] == nil { taken &+= 1 }
    keys[index] = key
    slots[index] = entry
    references[index] = .passUnretained(entry)
  }

  private func isTooOld(_ entry: FDBEntry, _ now: Instant) -> Bool {
    entry.ages && now - entry.updated >= ageingTime
  }

  private func rebuild(keeping: (FDBEntry) -> Bool) {
    let live = slots.compactMap { $0 }.filter(keeping)
    var size = 16
    while size < live.count * 4 { size *= 2 }
    keys = ContiguousArray(repeating: 0, count: size)
    slots = ContiguousArray(repeating: nil, count: size)
    references = ContiguousArray(repeating: nil, count: size)
    taken = 0
    for entry in live { place(entry) }
  }

  func remove(_ entry: FDBEntry) { rebuild { $0 !== entry } }

  func removeAll(where drop: (FDBEntry) -> Bool) {
    guard slots.contains(where: { $0.map(drop) ?? false }) else { return }
    rebuild { !drop($0) }
  }

  /// All entries, newest first.
  func entries(now: Instant) -> [FDBEntry] {
    if now >= nextCollection { collect(now) }
    return slots.compactMap { $0 }.sorted { $0.sequence > $1.sequence }
  }

  // MARK: Ageing

  /// Sets how long entries live; the collector comes by at once.
  func setAgeingTime(_ time: Int64, now: Instant) {
    ageingTime = time
    wait(from: now, for: 0)
  }

  private func wait(from time: Instant, for delay: Int64) {
    nextCollection = time + KernelTimer.wait(for: delay)
  }

  /// Does what the collector would have done up to `now`.
  private func collect(_ now: Instant) {
    while now >= nextCollection {
      let time = nextCollection
      removeAll { isTooOld($0, time) }
      let ageing = slots.lazy.compactMap { $0 }.filter(\.ages)
      guard let oldest = ageing.map(\.updated).min() else {
        // Without entries it goes round all the same, each ageing time.
        let period = KernelTimer.wait(for: max(ageingTime, 10_000_000))
        let rounds = (now - time) / period + 1
        nextCollection = time + rounds * period
        return
      }
      // It comes by at most every 10 ms.
      wait(from: time, for: max(oldest - time + ageingTime, 10_000_000))
    }
  }
}
