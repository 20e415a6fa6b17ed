import HopyardWire

/// How a packet relates to its connection, numbered as `enum ip_conntrack_info`.
public enum ConntrackInfo {
  /// Part of a connection that answered, in the original direction.
  public static let established: UInt8 = 0
  /// About a connection, in the original direction.
  public static let related: UInt8 = 1
  /// The beginning of a connection.
  public static let new: UInt8 = 2
  /// An answer.
  public static let establishedReply: UInt8 = 3
  /// About a connection, in the reply direction.
  public static let relatedReply: UInt8 = 4
  /// Not to be tracked.
  public static let untracked: UInt8 = 7

  @inline(__always)
  static func direction(_ info: UInt8) -> ConntrackDirection { info >= 3 ? .reply : .original }
}

/// What a rule of the raw table says about a packet that conntrack has not seen.
struct ConntrackTemplate {
  var zone: UInt16
  var zoneInOriginal: Bool
  var zoneInReply: Bool
  var helper: UInt8

  private static let mark: UInt64 = 0xffff_ffff

  /// The number in the packet's metadata; its upper half is no entry's generation.
  var reference: UInt64 {
    Self.mark << 32 | UInt64(helper) << 18 | (zoneInOriginal ? 1 << 17 : 0)
      | (zoneInReply ? 1 << 16 : 0) | UInt64(zone)
  }

  @inline(__always)
  init?(reference: UInt64) {
    guard reference &>> 32 == Self.mark else { return nil }
    zone = UInt16(truncatingIfNeeded: reference)
    zoneInReply = reference & 1 << 16 != 0
    zoneInOriginal = reference & 1 << 17 != 0
    helper = UInt8(truncatingIfNeeded: reference >> 18)
  }

  init(zone: UInt16, zoneInOriginal: Bool, zoneInReply: Bool, helper: UInt8) {
    self.zone = zone
    self.zoneInOriginal = zoneInOriginal
    self.zoneInReply = zoneInReply
    self.helper = helper
  }
}

/// The connection tracking of a namespace.
///
/// Entries expire lazily: an entry whose time is over is removed when a lookup meets it, when
/// new entries are made, and before a listing.
public final class Conntrack {
  typealias Tuple = ConntrackTuple<UInt32>
  typealias Entry = ConntrackEntry<UInt32>

  /// What the protocol trackers say about a packet.
  enum Judgement {
    case valid
    case invalid
    /// The entry was removed; the packet begins a new connection.
    case again
    case drop
  }

  /// How long a slot outlives its entry, so that the packet on its way can still read it.
  static let lingering = Int64.milliseconds(10)

  @exclusivity(unchecked) unowned(unsafe) let simulation: Simulation
  /// What each packet reads of it.
  let core: UnsafeMutablePointer<SimulationCore>
  /// The namespace's sysctls `nf_conntrack_*`.
  @exclusivity(unchecked) public var settings = ConntrackSettings()
  /// What `conntrack -S` prints.
  @exclusivity(unchecked) public internal(set) var statistics = ConntrackStatistics()
  @exclusivity(unchecked) let table = ConntrackTable<UInt32>()
  @exclusivity(unchecked) var sources = SourceIndex()
  @exclusivity(unchecked) var expectations: [ConntrackExpectation] = []
  /// What the FTP helper remembers of control connections.
  @exclusivity(unchecked) var ftpLines = FTPLines()
  /// What was counted of connections, by their serial numbers; few rulesets ask for it.
  @exclusivity(unchecked) var accounts: [UInt32: ConntrackAccount] = [:]
  /// How far rewritten connections are off.
  @exclusivity(unchecked) var sequenceShifts = SequenceShifts()
  @exclusivity(unchecked) var listeners: [(id: Int, body: (ConntrackEvent) -> Void)] = []
  @exclusivity(unchecked) private var lingeringSlots = LingeringSlots()
  @exclusivity(unchecked) private var sweep: UInt32 = 0
  /// Before this no entry can have expired, so none need be looked at.
  @exclusivity(unchecked) private var earliestDeadline = Int64.max
  /// The same for what the present round of looks has seen, and whether it has seen all so far.
  @exclusivity(unchecked) private var earliestOfRound = Int64.max
  @exclusivity(unchecked) private var roundIsWhole = true
  /// Whether packets pass untouched, as a probe wants it that plays a packet of no connection.
  @exclusivity(unchecked) var isSuspended = false
  /// A fault to show on demand: for how many nanoseconds after the first packet of a UDP flow
  /// another one meets the entry as not yet confirmed, as two processors can make it happen.
  ///
  /// Where NAT rewrites the flow the second packet is lost (`insert_failed`), which is what delays
  /// name lookups by five seconds; otherwise the clash is resolved. 0 is one processor, without
  /// races.
  @exclusivity(unchecked) public var raceWindow: Int64 = 0
  /// Whether the last packet that was dropped lost such a race.
  @exclusivity(unchecked) private(set) var lostRace = false
  private var lastListener = 0
  /// The process whose command removes entries.
  var remover: Int32 = 0

  init(simulation: Simulation) {
    self.simulation = simulation
    core = simulation.core
  }

  // MARK: Packets

  /// Finds or makes the connection of a packet at PREROUTING or OUTPUT.
  func track(_ packet: inout Packet, at hook: Hook) -> HookOutcome {
    if isSuspended { return .accept }
    var template: ConntrackTemplate?
    let reference = packet.metadata.conntrack
    if reference != 0 {
      template = ConntrackTemplate(reference: reference)
      // A packet that was seen before, as on the loopback device, keeps its connection.
      if template == nil, table.index(of: reference) != nil { return .accept }
      packet.metadata.conntrack = 0
    } else if packet.metadata.conntrackInfo == ConntrackInfo.untracked {
      return .accept
    }
    packet.metadata.conntrackInfo = 0
    guard let view = PacketView(packet), !view.isLaterFragment else {
      statistics.invalid &+= 1
      return .accept
    }
    if view.protocol == 1 {
      switch icmpError(&packet, view, template, at: hook) {
      case .valid: if packet.metadata.conntrack != 0 { return .accept }
      default:
        statistics.invalid &+= 1
        return .accept
      }
    }
    if raceWindow > 0 {
      lostRace = view.protocol == 17 && losesRace(packet, view)
      if lostRace { return .drop }
    }
    while true {
      guard let handle = resolve(packet, view, template) else {
        if lastFailureIsFull {
          statistics.drop &+= 1
          return .drop
        }
        statistics.invalid &+= 1
        return .accept
      }
      let entry = table.entry(handle.index)
      let info: UInt8
      if handle.direction == .reply {
        info = ConntrackInfo.establishedReply
      } else if entry.pointee.status.contains(.seenReply) {
        info = ConntrackInfo.established
      } else if entry.pointee.status.contains(.expected) {
        info = ConntrackInfo.related
      } else {
        info = ConntrackInfo.new
      }
      let judgement: Judgement
      switch view.protocol {
      case 6: judgement = trackTCP(entry, handle, packet, view, hook)
      case 17: judgement = trackUDP(entry, handle, packet, view, hook)
      case 1: judgement = trackICMP(entry, handle, packet, view)
      default:
        refresh(entry, handle.direction, settings.genericTimeout, view.totalLength)
        judgement = .valid
      }
      switch judgement {
      case .valid:
        if info == ConntrackInfo.establishedReply, !entry.pointee.status.contains(.seenReply) {
          entry.pointee.status.insert(.seenReply)
          entry.pointee.changes.insert(.reply)
        }
        packet.metadata.conntrack = table.reference(handle.index)
        packet.metadata.conntrackInfo = info
        return .accept
      case .again:
        discardIfUnconfirmed(handle.index)
        continue
      case .invalid:
        discardIfUnconfirmed(handle.index)
        statistics.invalid &+= 1
        return .accept
      case .drop:
        discardIfUnconfirmed(handle.index)
        statistics.drop &+= 1
        return .drop
      }
    }
  }

  @exclusivity(unchecked) private var lastFailureIsFull = false

  @inline(__always)
  private func resolve(
    _ packet: borrowing Packet,
    _ view: PacketView,
    _ template: ConntrackTemplate?
  ) -> ConntrackTable<UInt32>.Handle? {
    lastFailureIsFull = false
    guard var tuple = tuple(of: packet, view) else { return nil }
    guard let template else {
      return lookup(tuple) ?? begin(tuple, zoneInReply: 0, template: nil)
    }
    let original = template.zoneInOriginal ? template.zone : 0
    let reply = template.zoneInReply ? template.zone : 0
    tuple.zone = original
    if let found = lookup(tuple), original == reply || found.direction == .original {
      return found
    }
    if original != reply {
      var other = tuple
      other.zone = reply
      if let found = lookup(other), found.direction == .reply { return found }
    }
    return begin(tuple, zoneInReply: reply, template: template)
  }

  /// A packet's own tuple, or nil if its transport header is cut off.
  @inline(__always)
  func tuple(of packet: borrowing Packet, _ view: PacketView) -> Tuple? {
    var first: UInt16 = 0
    var second: UInt16 = 0
    switch view.protocol {
    case 6, 17, 33, 132, 136:
      guard view.transportLength >= 8 else { return nil }
      first = packet.u16(at: view.transport)
      second = packet.u16(at: view.transport &+ 2)
    case 1:
      guard view.transportLength >= 8 else { return nil }
      first = packet.u16(at: view.transport &+ 4)
      second = packet.u16(at: view.transport)
    default: break
    }
    return Tuple(
      source: view.source,
      destination: view.destination,
      sourcePort: first,
      destinationPort: second,
      protocol: view.protocol
    )
  }

  /// Finds a living entry.
  @inline(__always)
  func lookup(_ tuple: Tuple) -> ConntrackTable<UInt32>.Handle? {
    while let handle = table.find(tuple) {
      if table.entry(handle.index).pointee.deadline > core.now.nanoseconds { return handle }
      kill(handle.index)
    }
    return nil
  }

  private func begin(
    _ tuple: Tuple,
    zoneInReply: UInt16,
    template: ConntrackTemplate?
  ) -> ConntrackTable<UInt32>.Handle? {
    guard var reply = tuple.inverted else { return nil }
    reply.zone = zoneInReply
    reclaim()
    if settings.max > 0, table.count >= settings.max, !makeRoom(near: tuple) {
      lastFailureIsFull = true
      statistics.earlyDropFailed &+= 1
      return nil
    }
    let index = table.allocate(original: tuple, reply: reply)
    let entry = table.entry(index)
    if settings.acct != 0 { entry.pointee.status.insert(.accounted) }
    if let template, template.helper != 0 {
      entry.pointee.helper = template.helper
      entry.pointee.status.insert(.helper)
    }
    if !expectations.isEmpty { meetExpectation(index, entry) }
    lingeringSlots.append(index, entry.pointee.generation, at: core.now.nanoseconds)
    return ConntrackTable<UInt32>.Handle(index: index, direction: .original)
  }

  /// Restarts an entry's time and counts the packet.
  @inline(__always)
  func refresh(
    _ entry: UnsafeMutablePointer<Entry>,
    _ direction: ConntrackDirection,
    _ seconds: Int,
    _ length: Int
  ) {
    let status = entry.pointee.status
    if !status.contains(.fixedTimeout) {
      let duration = Int64(truncatingIfNeeded: seconds) &* 1_000_000_000
      if status.contains(.confirmed) {
        entry.pointee.deadline = core.now.nanoseconds &+ duration
        noteDeadline(entry.pointee.deadline)
      } else {
        entry.pointee.deadline = duration
      }
    }
    if status.contains(.accounted) { account(entry, direction, bytes: length) }
  }

  /// Notes a deadline that a confirmed entry has got.
  @inline(__always)
  func noteDeadline(_ deadline: Int64) {
    if deadline < earliestDeadline { earliestDeadline = deadline }
    if deadline < earliestOfRound { earliestOfRound = deadline }
  }

  /// Counts a packet of a connection whose packets are counted.
  func account(
    _ entry: UnsafeMutablePointer<Entry>,
    _ direction: ConntrackDirection,
    bytes length: Int
  ) {
    accounts[entry.pointee.serial, default: ConntrackAccount()].count(direction, bytes: length)
  }

  /// Puts the connection of a packet that leaves or is delivered into the table.
  func confirm(_ packet: inout Packet) -> HookOutcome {
    guard let index = table.index(of: packet.metadata.conntrack) else { return .accept }
    let entry = table.entry(index)
    if !entry.pointee.status.contains(.confirmed) {
      guard ConntrackInfo.direction(packet.metadata.conntrackInfo) == .original else {
        return .accept
      }
      if entry.pointee.status.contains(.dying) { return .drop }
      if let clash = lookup(entry.pointee.original) ?? lookup(entry.pointee.reply) {
        return resolveClash(&packet, index, with: clash)
      }
      entry.pointee.deadline &+= core.now.nanoseconds
      noteDeadline(entry.pointee.deadline)
      lingeringSlots.removeLast(index)
      entry.pointee.status.insert(.confirmed)
      table.insert(index)
      entry.pointee.changes.insert(entry.pointee.master != 0 ? .related : .new)
      statistics.inserted &+= 1
    }
    if entry.pointee.changes != [] { tell(entry) }
    return .accept
  }

  /// Whether a packet of a flow that NAT rewrites comes while the first one is on its way, on
  /// another processor, to confirm the entry.
  private func losesRace(_ packet: borrowing Packet, _ view: PacketView) -> Bool {
    guard let tuple = tuple(of: packet, view), let found = lookup(tuple),
      found.direction == .original
    else { return false }
    let entry = table.entry(found.index)
    let status = entry.pointee.status
    guard status.contains(.confirmed), !status.contains(.seenReply) else { return false }
    let last = entry.pointee.deadline &- .seconds(Int64(settings.udpTimeout))
    guard simulation.now.nanoseconds &- last < raceWindow else { return false }
    guard status.contains(.destinationNAT) || status.contains(.sourceNAT) else {
      statistics.clashResolve &+= 1
      return false
    }
    statistics.insertFailed &+= 1
    statistics.drop &+= 1
    return true
  }

  /// Two first packets of one flow: the later one joins the entry that came first.
  private func resolveClash(
    _ packet: inout Packet,
    _ index: UInt32,
    with clash: ConntrackTable<UInt32>.Handle
  ) -> HookOutcome {
    let entry = table.entry(index)
    let other = table.entry(clash.index)
    if entry.pointee.original.protocol == 17, clash.direction == .original,
      entry.pointee.original == other.pointee.original,
      entry.pointee.reply == other.pointee.reply
    {
      discard(index)
      packet.metadata.conntrack = table.reference(clash.index)
      statistics.clashResolve &+= 1
      return .accept
    }
    statistics.insertFailed &+= 1
    statistics.drop &+= 1
    discard(index)
    packet.metadata.conntrack = 0
    packet.metadata.conntrackInfo = 0
    return .drop
  }

  /// Frees the entry of a packet that was dropped before its connection was confirmed.
  func forget(_ packet: borrowing Packet) {
    // An error that was attached to the connection goes without taking it along.
    guard packet.metadata.conntrackInfo == ConntrackInfo.new,
      let index = table.index(of: packet.metadata.conntrack),
      !table.entry(index).pointee.status.contains(.attached)
    else { return }
    discardIfUnconfirmed(index)
  }

  // MARK: Lifetime

  private func discardIfUnconfirmed(_ index: UInt32) {
    let status = table.entry(index).pointee.status
    if !status.contains(.confirmed) && !status.contains(.dying) { discard(index) }
  }

  private func discard(_ index: UInt32) {
    sources.remove(index, in: table)
    let entry = table.entry(index)
    if entry.pointee.status.contains(.accounted) { accounts[entry.pointee.serial] = nil }
    table.release(index)
  }

  /// Takes an entry out of the table; packets on their way can still read it.
  func kill(_ index: UInt32, byUserspace: Bool = false) {
    let entry = table.entry(index)
    guard !entry.pointee.status.contains(.dying) else { return }
    if entry.pointee.status.contains(.confirmed) {
      table.remove(index)
      tellDestroyed(entry, byUserspace: byUserspace)
      statistics.deleted &+= 1
      if byUserspace { statistics.deletedByUser &+= 1 }
    }
    table.markDead(index)
    sources.remove(index, in: table)
    removeExpectations(of: index)
    lingeringSlots.append(index, entry.pointee.generation, at: core.now.nanoseconds)
  }

  /// Frees slots whose packets are gone, and looks whether some entries have expired.
  private func reclaim() {
    let now = core.now.nanoseconds
    while let slot = lingeringSlots.popFirst(before: now &- Self.lingering) {
      let entry = table.entry(slot.index)
      guard entry.pointee.generation == slot.generation else { continue }
      let status = entry.pointee.status
      if status.contains(.dying) || !status.contains(.confirmed) { discard(slot.index) }
    }
    guard table.limit > 0 else { return }
    for _ in 0..<2 {
      sweep &+= 1
      if sweep >= table.limit {
        sweep = 0
        if roundIsWhole { earliestDeadline = earliestOfRound }
        earliestOfRound = .max
        roundIsWhole = true
      }
      if now < earliestDeadline {
        roundIsWhole = false
        continue
      }
      let entry = table.entry(sweep)
      guard entry.pointee.status.contains(.confirmed), !entry.pointee.status.contains(.dying)
      else { continue }
      if entry.pointee.deadline <= now {
        kill(sweep)
      } else {
        earliestOfRound = min(earliestOfRound, entry.pointee.deadline)
      }
    }
  }

  private func makeRoom(near tuple: Tuple) -> Bool {
    let now = core.now.nanoseconds
    guard
      let victim = table.victim(
        near: tuple,
        where: { index in
          let entry = table.entry(index)
          return entry.pointee.deadline <= now || !entry.pointee.status.contains(.assured)
        }
      )
    else { return false }
    kill(victim)
    statistics.earlyDrop &+= 1
    return true
  }

  /// Removes what has expired.
  func expire() {
    let now = core.now.nanoseconds
    for index in table.confirmedIndices() where table.entry(index).pointee.deadline <= now {
      kill(index)
    }
    expectations.removeAll { $0.deadline <= now }
  }

  // MARK: Listeners

  /// Calls `body` for each change until the returned number is given to `removeListener`.
  public func addListener(_ body: @escaping (ConntrackEvent) -> Void) -> Int {
    lastListener += 1
    listeners.append((lastListener, body))
    return lastListener
  }

  /// Ends a listener.
  public func removeListener(_ id: Int) {
    listeners.removeAll { $0.id == id }
  }

  @inline(__always)
  func tell(_ entry: UnsafeMutablePointer<Entry>) {
    if !listeners.isEmpty, settings.events != 0 { tellListeners(entry) }
    entry.pointee.changes = []
  }

  private func tellListeners(_ entry: UnsafeMutablePointer<Entry>) {
    let isNew = !entry.pointee.changes.isDisjoint(with: [.new, .related])
    let event = ConntrackEvent(
      kind: isNew ? .new : .update,
      record: record(entry),
      byUserspace: false,
      process: 0
    )
    for listener in listeners { listener.body(event) }
  }

  private func tellDestroyed(_ entry: UnsafeMutablePointer<Entry>, byUserspace: Bool) {
    guard !listeners.isEmpty, settings.events != 0 else { return }
    let event = ConntrackEvent(
      kind: .destroy,
      record: record(entry),
      byUserspace: byUserspace,
      process: remover
    )
    for listener in listeners { listener.body(event) }
  }
}

/// Slots that are to be freed once no packet can name them any more, oldest first.
struct LingeringSlots {
  struct Slot {
    let index: UInt32
    let generation: UInt32
    let time: Int64
  }

  private var slots: ContiguousArray<Slot> = []
  private var first = 0

  @inline(__always)
  mutating func append(_ index: UInt32, _ generation: UInt32, at time: Int64) {
    slots.append(Slot(index: index, generation: generation, time: time))
  }

  /// Takes back a slot that was appended last; what was appended after it keeps it.
  @inline(__always)
  mutating func removeLast(_ index: UInt32) {
    if slots.count > first, let last = slots.last, last.index == index { slots.removeLast() }
  }

  @inline(__always)
  mutating func popFirst(before time: Int64) -> Slot? {
    guard first < slots.count, slots[first].time < time else { return nil }
    let slot = slots[first]
    first += 1
    if first == slots.count || (first > 1024 && first * 2 > slots.count) {
      slots.removeFirst(first)
      first = 0
    }
    return slot
  }
}
