/// What is plugged into an end of a cable: a network card, or a port of a switch.
protocol CableEnd: AnyObject {
  /// Whether it is switched on, so that the other end sees a carrier.
  var isLinkUp: Bool { get }
  /// Takes a frame; its first byte is the destination address's.
  func receiveFromCable(_ packet: consuming Packet)
  /// Learns that the other end was switched on or off, or that the cable was pulled.
  func linkChanged()
}

/// How a cable carries frames.
public struct CableOptions: Sendable {
  /// Bits per second in each direction; 0 takes no time.
  public var bandwidth: Int64
  /// How long a bit travels, in nanoseconds.
  public var delay: Int64
  /// How many frames may wait for their turn in each direction.
  public var queueLength: Int
  /// How likely a frame is lost, from 0 to 1.
  public var loss: Double

  /// Makes options; without arguments those of a short gigabit cable.
  public init(
    bandwidth: Int64 = 1_000_000_000,
    delay: Int64 = .microseconds(1),
    queueLength: Int = 1000,
    loss: Double = 0
  ) {
    self.bandwidth = bandwidth
    self.delay = delay
    self.queueLength = queueLength
    self.loss = loss
  }
}

/// A cable with two ends that carries frames in order in both directions.
///
/// Each direction is a queue of frames on their way, of which only the first has an event.
public final class Cable: EventHandler {
  /// Bytes that each frame takes on the wire besides its own: preamble, checksum and gap.
  static let overhead = 24
  /// The smallest frame without its checksum.
  static let minimumFrame = 60

  private struct Direction: ~Copyable {
    var queue = PacketQueue()
    /// When the sender's last frame has left.
    var freeAt: Int64 = 0
    /// When the frames that wait at the sender will have left, in order.
    var departures: ContiguousArray<Int64> = []
    var firstDeparture = 0
  }

  /// How it carries frames.
  public let options: CableOptions
  private let core: UnsafeMutablePointer<SimulationCore>
  @exclusivity(unchecked) private var handler: UInt32 = 0
  @exclusivity(unchecked) private var forward = Direction()
  @exclusivity(unchecked) private var backward = Direction()
  @exclusivity(unchecked) private var random: RandomSource
  /// The ends, without reference counts; one that goes says so.
  @exclusivity(unchecked) private unowned(unsafe) var first: (any CableEnd)?
  @exclusivity(unchecked) private unowned(unsafe) var second: (any CableEnd)?
  /// How many frames a full queue dropped.
  @exclusivity(unchecked) public private(set) var overflowCount = 0
  /// How many frames were lost on the way.
  @exclusivity(unchecked) public private(set) var lossCount = 0

  init(simulation: Simulation, options: CableOptions, name: String) {
    core = simulation.core
    self.options = options
    random = simulation.randomSource("cable/\(name)")
    handler = simulation.register(self)
  }

  /// Plugs the two ends in.
  func plug(_ first: any CableEnd, _ second: any CableEnd) {
    self.first = first
    self.second = second
    first.linkChanged()
    second.linkChanged()
  }

  /// Pulls the cable; what is on its way is lost.
  func pull() {
    let ends = [first, second]
    first = nil
    second = nil
    for end in ends { end?.linkChanged() }
  }

  /// Forgets an end that is about to be freed.
  func forget(_ end: any CableEnd) {
    if end === first { first = nil }
    if end === second { second = nil }
  }

  /// Whether both ends are plugged in and switched on.
  var isUp: Bool { first?.isLinkUp ?? false && second?.isLinkUp ?? false }

  /// Tells the other end that one was switched on or off.
  func endChanged(_ end: any CableEnd) { (end === first ? second : first)?.linkChanged() }

  /// Sends a frame from an end; false if the queue is full.
  func send(_ packet: consuming Packet, from end: any CableEnd) -> Bool {
    let isForward = end === first
    let sent =
      isForward
      ? Self.append(packet, &forward, self, tag: 0) : Self.append(packet, &backward, self, tag: 1)
    return sent
  }

  private static func append(
    _ packet: consuming Packet,
    _ direction: inout Direction,
    _ cable: Cable,
    tag: UInt32
  ) -> Bool {
    let options = cable.options
    let now = cable.core.now.nanoseconds
    while direction.firstDeparture < direction.departures.count,
      direction.departures[direction.firstDeparture] <= now
    {
      direction.firstDeparture += 1
    }
    if direction.firstDeparture == direction.departures.count {
      direction.departures.removeAll(keepingCapacity: true)
      direction.firstDeparture = 0
    } else if direction.firstDeparture > 4096 {
      direction.departures.removeFirst(direction.firstDeparture)
      direction.firstDeparture = 0
    }
    // The frame that is being sent waits no more.
    guard direction.departures.count - direction.firstDeparture <= max(options.queueLength, 0)
    else {
      cable.overflowCount += 1
      return false
    }
    var departure = max(now, direction.freeAt)
    if options.bandwidth > 0 {
      let bits = Int64(max(packet.count, minimumFrame) + overhead) * 8
      departure += (bits * 1_000_000_000 + options.bandwidth - 1) / options.bandwidth
      direction.departures.append(departure)
    }
    direction.freeAt = departure
    if options.loss > 0, Double(cable.random.next() >> 11) / 9_007_199_254_740_992 < options.loss {
      cable.lossCount += 1
      return true
    }
    // What a machine knows of a packet stays there; the journey goes on.
    let journey = packet.metadata.journey
    packet.metadata = PacketMetadata()
    packet.metadata.journey = journey
    packet.metadata.due = departure &+ max(options.delay, 0)
    let wasEmpty = direction.queue.isEmpty
    let due = packet.metadata.due
    direction.queue.append(packet)
    if wasEmpty { cable.core.post(after: due &- now, handler: cable.handler, tag: tag) }
    return true
  }

  func handle(_ tag: UInt32) {
    let now = core.now.nanoseconds
    if tag == 0 {
      guard let packet = forward.queue.popFirst() else { return }
      if let due = forward.queue.nextDue {
        core.post(after: due &- now, handler: handler, tag: 0)
      }
      second?.receiveFromCable(packet)
    } else {
      guard let packet = backward.queue.popFirst() else { return }
      if let due = backward.queue.nextDue {
        core.post(after: due &- now, handler: handler, tag: 1)
      }
      first?.receiveFromCable(packet)
    }
  }
}
