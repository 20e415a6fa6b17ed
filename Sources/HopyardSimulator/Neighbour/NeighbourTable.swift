import HopyardWire

/// One neighbour: an address on a device and what is known of its link-layer address.
public final class Neighbour<Address: FixedWidthInteger & UnsignedInteger & Sendable> {
  /// The neighbour's network-layer address.
  public let address: Address
  /// The global number of the device on which it is.
  public let device: UInt32
  /// Its state.
  @exclusivity(unchecked) public internal(set) var state = NeighbourState.none
  /// Its link-layer address, meaningful in valid states.
  @exclusivity(unchecked) public internal(set) var linkAddress = MACAddress.zero
  /// Learned by a routing daemon or another outside agent (`extern_learn`).
  public internal(set) var isExternallyLearned = false
  /// It is a router (`router`).
  public internal(set) var isRouter = false
  /// When its reachability was last confirmed.
  @exclusivity(unchecked) public internal(set) var confirmed: Instant
  /// When it was last used to send.
  @exclusivity(unchecked) public internal(set) var used: Instant
  /// When its state or address last changed.
  public internal(set) var updated: Instant
  /// The protocol that made it, as `proto` of `ip neigh`.
  public internal(set) var origin: UInt8 = 0

  var probes = 0
  var timer: TimerToken?
  var queue = PacketQueue()
  var queuedBytes = 0
  var isDead = false

  init(address: Address, device: UInt32, now: Instant) {
    self.address = address
    self.device = device
    confirmed = now
    used = now
    updated = now
  }

  /// How many packets wait for the address.
  public var queueLength: Int { queue.count }
  /// How many probes were sent.
  public var probeCount: Int { probes }
}

/// What a neighbour table asks of the stack above it.
protocol NeighbourOutput: AnyObject {
  associatedtype Address: FixedWidthInteger & UnsignedInteger & Sendable
  /// Asks for an address: by broadcast, or of `target` alone. `source` is the source address of the
  /// packet that waits.
  func solicit(_ address: Address, on device: UInt32, target: MACAddress?, source: Address?)
  /// Sends a packet (network header first) to a link-layer address.
  func transmit(_ packet: consuming Packet, to target: MACAddress, on device: UInt32)
  /// Takes a packet whose neighbour did not answer.
  func neighbourFailed(_ packet: consuming Packet, on device: UInt32)
  /// Takes a packet that a full queue pushed out.
  func neighbourQueueOverflow(_ packet: consuming Packet, on device: UInt32)
  /// The parameters of a device.
  func neighbourParameters(of device: UInt32) -> NeighbourParameters
  /// An entry changed so that listeners are told.
  func neighbourChanged(_ address: Address, on device: UInt32)
}

/// How an update treats what is known.
struct NeighbourUpdate: OptionSet {
  let rawValue: UInt8
  /// A different link-layer address replaces the known one.
  static let override = NeighbourUpdate(rawValue: 1)
  /// It comes from an administrator.
  static let admin = NeighbourUpdate(rawValue: 2)
}

/// A namespace's neighbours, with the kernel's states and timers (`net/core/neighbour.c`).
final class NeighbourTable<Output: NeighbourOutput> {
  typealias Address = Output.Address
  typealias Entry = Neighbour<Address>

  private struct Key: Hashable {
    var device: UInt32
    var address: Address
  }

  private unowned(unsafe) let simulation: Simulation
  private let core: UnsafeMutablePointer<SimulationCore>
  private unowned(unsafe) let output: Output
  private var random: RandomSource
  /// Open addressing with linear probing, so that a look-up costs some nanoseconds.
  @exclusivity(unchecked) private var slots: ContiguousArray<Entry?>
  @exclusivity(unchecked) private var used = 0
  private(set) var count = 0
  /// Addresses that are answered for on a device though they are elsewhere (`ip neigh add proxy`).
  private(set) var proxies: [(address: Address, device: UInt32)] = []

  init(simulation: Simulation, output: Output, stream: String) {
    self.simulation = simulation
    core = simulation.core
    self.output = output
    random = simulation.randomSource(stream)
    slots = ContiguousArray(repeating: nil, count: 16)
  }

  // MARK: Table

  @inline(__always)
  private func slotIndex(_ address: Address, _ device: UInt32) -> Int {
    let mixed =
      (UInt64(truncatingIfNeeded: address) ^ (UInt64(device) << 32) ^ UInt64(device))
      &* 0x9e37_79b9_7f4a_7c15
    return Int(truncatingIfNeeded: mixed >> 32) & (slots.count &- 1)
  }

  @inline(__always)
  func find(_ address: Address, on device: UInt32) -> Entry? {
    var index = slotIndex(address, device)
    while let entry = slots[index] {
      if entry.address == address && entry.device == device && !entry.isDead { return entry }
      index = (index &+ 1) & (slots.count &- 1)
    }
    return nil
  }

  /// The link-layer address of a neighbour that may be used as it is; notes the use.
  @inline(__always)
  func connectedAddress(of address: Address, on device: UInt32) -> MACAddress? {
    guard let entry = find(address, on: device), entry.state.isConnected else { return nil }
    entry.used = core.now
    return entry.linkAddress
  }

  func findOrMake(_ address: Address, on device: UInt32) -> Entry {
    if let known = find(address, on: device) { return known }
    if (used + 1) * 2 > slots.count { rehash() }
    let entry = Entry(address: address, device: device, now: simulation.now)
    insert(entry)
    count += 1
    return entry
  }

  private func insert(_ entry: Entry) {
    var index = slotIndex(entry.address, entry.device)
    while slots[index] != nil { index = (index &+ 1) & (slots.count &- 1) }
    slots[index] = entry
    used += 1
  }

  private func rehash() {
    let live = slots.compactMap { $0 }.filter { !$0.isDead }
    var size = 16
    while size < live.count * 4 { size *= 2 }
    slots = ContiguousArray(repeating: nil, count: size)
    used = 0
    for entry in live { insert(entry) }
  }

  /// All entries, by device and address.
  var entries: [Entry] {
    slots.compactMap { $0 }.filter { !$0.isDead }
      .sorted { $0.device != $1.device ? $0.device < $1.device : $0.address < $1.address }
  }

  /// Forgets an entry; what waits for it is given back with an error.
  func remove(_ entry: Entry) {
    guard !entry.isDead else { return }
    // What waits for an answer is given back, as when the question failed.
    if entry.state == .incomplete { fail(entry, reporting: true) }
    stopTimer(entry)
    entry.isDead = true
    entry.state = .none
    entry.queue = PacketQueue()
    entry.queuedBytes = 0
    count -= 1
    rehash()
  }

  /// Whether a packet of a socket still waits for a neighbour's address.
  func holdsPacket(ofSocket socket: UInt32) -> Bool {
    slots.contains { entry in
      entry.map { !$0.isDead && $0.queue.contains(socket: socket) } ?? false
    }
  }

  /// Forgets the entries of a device, but for permanent ones where they are kept.
  func removeAll(on device: UInt32, keepingPermanent: Bool = false) {
    for entry in entries where entry.device == device {
      if keepingPermanent && entry.state == .permanent { continue }
      fail(entry, reporting: false)
      remove(entry)
    }
  }

  func addProxy(_ address: Address, on device: UInt32) -> Bool {
    if isProxied(address, on: device) { return false }
    proxies.append((address, device))
    return true
  }

  func removeProxy(_ address: Address, on device: UInt32) -> Bool {
    guard let index = proxies.firstIndex(where: { $0.address == address && $0.device == device })
    else { return false }
    proxies.remove(at: index)
    return true
  }

  func removeProxies(on device: UInt32) { proxies.removeAll { $0.device == device } }

  func isProxied(_ address: Address, on device: UInt32) -> Bool {
    proxies.contains { $0.address == address && ($0.device == device || $0.device == 0) }
  }

  // MARK: Sending

  /// Sends a packet to a neighbour, asking for its link-layer address first where needed.
  @inline(__always)
  func send(_ packet: consuming Packet, to entry: Entry, source: Address?) {
    if entry.state.isConnected {
      entry.used = simulation.now
      output.transmit(packet, to: entry.linkAddress, on: entry.device)
      return
    }
    sendSlow(packet, to: entry, source: source)
  }

  private func sendSlow(_ packet: consuming Packet, to entry: Entry, source: Address?) {
    entry.used = simulation.now
    switch entry.state {
    case .delay, .probe:
      output.transmit(packet, to: entry.linkAddress, on: entry.device)
    case .stale:
      entry.updated = simulation.now
      entry.state = .delay
      startTimer(entry, after: output.neighbourParameters(of: entry.device).delayProbeTime)
      output.transmit(packet, to: entry.linkAddress, on: entry.device)
    case .incomplete:
      enqueue(packet, entry)
    default:
      let parameters = output.neighbourParameters(of: entry.device)
      guard parameters.multicastProbes + parameters.applicationProbes > 0 else {
        entry.state = .failed
        entry.updated = simulation.now
        output.neighbourFailed(packet, on: entry.device)
        return
      }
      // Unicast probes are skipped: there is no address to send them to.
      entry.probes = parameters.unicastProbes
      entry.state = .incomplete
      entry.updated = simulation.now
      startTimer(entry, after: max(parameters.retransmitTime, .milliseconds(10)))
      enqueue(packet, entry)
      probe(entry, source: source)
    }
  }

  /// Asks for an entry's address without a packet that waits for it.
  func resolve(_ entry: Entry) {
    guard !entry.state.isConnected, entry.state != .delay, entry.state != .probe else { return }
    entry.used = simulation.now
    if entry.state == .stale {
      entry.updated = simulation.now
      entry.state = .delay
      startTimer(entry, after: output.neighbourParameters(of: entry.device).delayProbeTime)
    } else if entry.state != .incomplete {
      let parameters = output.neighbourParameters(of: entry.device)
      entry.probes = parameters.unicastProbes
      entry.state = .incomplete
      entry.updated = simulation.now
      startTimer(entry, after: max(parameters.retransmitTime, .milliseconds(10)))
      probe(entry, source: nil)
    }
  }

  /// Waits in the entry's queue; a full one loses its oldest packet.
  private func enqueue(_ packet: consuming Packet, _ entry: Entry) {
    let size = Self.trueSize(packet.count)
    let limit = output.neighbourParameters(of: entry.device).queueBytes
    while entry.queuedBytes + size > limit, let oldest = entry.queue.popFirst() {
      entry.queuedBytes -= Self.trueSize(oldest.count)
      output.neighbourQueueOverflow(oldest, on: entry.device)
    }
    entry.queuedBytes += size
    entry.queue.append(packet)
  }

  /// What the kernel charges for a packet: the rounded-up buffer and its administration.
  private static func trueSize(_ count: Int) -> Int { ((count + 64 + 511) & ~511) + 576 }

  private func probe(_ entry: Entry, source: Address?) {
    let parameters = output.neighbourParameters(of: entry.device)
    let unicast = entry.probes < parameters.unicastProbes
    entry.probes += 1
    output.solicit(
      entry.address,
      on: entry.device,
      target: unicast && entry.state.isValid ? entry.linkAddress : nil,
      source: source
    )
  }

  // MARK: Timers

  private func startTimer(_ entry: Entry, after delay: Int64) {
    stopTimer(entry)
    entry.timer = simulation.scheduleKernelTimer(after: delay) { [unowned self, unowned entry] in
      entry.timer = nil
      self.timerFired(entry)
    }
  }

  private func stopTimer(_ entry: Entry) {
    if let timer = entry.timer { simulation.cancel(timer) }
    entry.timer = nil
  }

  private func reachableTime(_ parameters: NeighbourParameters) -> Int64 {
    let base = max(parameters.baseReachableTime, 2)
    return base / 2 + Int64(random.below(UInt64(base)))
  }

  private func timerFired(_ entry: Entry) {
    guard !entry.isDead else { return }
    let parameters = output.neighbourParameters(of: entry.device)
    let now = simulation.now
    let retransmit = max(parameters.retransmitTime, .milliseconds(10))
    switch entry.state {
    case .reachable:
      if now - entry.confirmed < parameters.baseReachableTime / 2 {
        startTimer(entry, after: reachableTime(parameters) - (now - entry.confirmed))
      } else if now - entry.used < parameters.delayProbeTime && entry.used > entry.confirmed {
        entry.state = .delay
        entry.updated = now
        startTimer(entry, after: parameters.delayProbeTime)
      } else {
        entry.state = .stale
        entry.updated = now
      }
    case .delay:
      if now - entry.confirmed < parameters.delayProbeTime {
        entry.state = .reachable
        entry.updated = now
        startTimer(entry, after: reachableTime(parameters))
      } else {
        entry.state = .probe
        entry.updated = now
        entry.probes = 0
        startTimer(entry, after: retransmit)
        probe(entry, source: nil)
      }
    case .probe, .incomplete:
      let limit =
        parameters.unicastProbes + parameters.applicationProbes
        + (entry.state == .probe ? parameters.multicastReprobes : parameters.multicastProbes)
      if entry.probes >= limit {
        fail(entry, reporting: true)
      } else {
        startTimer(entry, after: retransmit)
        // The kernel picks the source address anew from the oldest packet that waits.
        probe(entry, source: firstQueuedSource(entry))
      }
    default: break
    }
  }

  private func firstQueuedSource(_ entry: Entry) -> Address? {
    guard Address.bitWidth == 32 else { return nil }
    return entry.queue.peek { $0.count >= 20 ? Address(truncatingIfNeeded: $0.u32(at: 12)) : nil }
      ?? nil
  }

  /// Nobody answered: what waits is given back with an error.
  private func fail(_ entry: Entry, reporting: Bool) {
    stopTimer(entry)
    let wasIncomplete = entry.state == .incomplete
    entry.state = .failed
    entry.updated = simulation.now
    entry.queuedBytes = 0
    if reporting && wasIncomplete {
      while let packet = entry.queue.popFirst() {
        output.neighbourFailed(packet, on: entry.device)
      }
    } else {
      entry.queue = PacketQueue()
    }
    if reporting { output.neighbourChanged(entry.address, on: entry.device) }
  }

  // MARK: Updates

  /// Confirms a neighbour from an upper layer (`neigh_confirm`).
  func confirm(_ entry: Entry) { entry.confirmed = simulation.now }

  /// Takes news of a neighbour, as the kernel's `neigh_update`.
  func update(
    _ entry: Entry,
    linkAddress offered: MACAddress?,
    state requested: NeighbourState,
    _ flags: NeighbourUpdate
  ) {
    var new = requested
    let old = entry.state
    let now = simulation.now
    if !flags.contains(.admin) && (old == .noARP || old == .permanent) { return }
    if !new.isValid {
      stopTimer(entry)
      entry.state = new
      if (old == .incomplete || old == .probe) && new == .failed {
        entry.state = old
        fail(entry, reporting: true)
      }
      entry.updated = now
      return
    }
    let address = offered ?? entry.linkAddress
    if offered == nil && !old.isValid { return }
    if new.isConnected { entry.confirmed = now }
    let same = old.isValid && address == entry.linkAddress
    if old.isValid {
      if !same && !flags.contains(.override) { return }
      if same && new == .stale && !flags.contains(.admin) { new = old }
    }
    if new != old || !same { entry.updated = now }
    if new != old {
      stopTimer(entry)
      if new == .probe { entry.probes = 0 }
      entry.state = new
      switch new {
      case .reachable:
        startTimer(entry, after: reachableTime(output.neighbourParameters(of: entry.device)))
      case .delay:
        startTimer(entry, after: output.neighbourParameters(of: entry.device).delayProbeTime)
      case .probe, .incomplete: startTimer(entry, after: 0)
      default: break
      }
    }
    if !same {
      entry.linkAddress = address
      if !new.isConnected {
        // As if confirmed long ago, so that the next use asks.
        entry.confirmed =
          now + -(output.neighbourParameters(of: entry.device).baseReachableTime * 2)
      }
    }
    if !old.isValid {
      var waiting = PacketQueue()
      swap(&waiting, &entry.queue)
      entry.queuedBytes = 0
      while let packet = waiting.popFirst() { send(packet, to: entry, source: nil) }
    }
    if new != old || !same { output.neighbourChanged(entry.address, on: entry.device) }
  }
}
