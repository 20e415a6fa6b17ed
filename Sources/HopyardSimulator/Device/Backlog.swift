/// The receive queue of one machine, as Linux has one for each CPU.
///
/// What `lo`, veth, macvlan and tunnels hand over is received one microsecond later, in order; only
/// the head of the queue has an event. No receive path is entered from within another.
final class Backlog: EventHandler {
  /// How long a hand-over within a machine takes.
  static let delay: Int64 = .microseconds(1)
  /// How many packets may wait (`net.core.netdev_max_backlog`).
  static let limit = 1_000_000

  private let core: UnsafeMutablePointer<SimulationCore>
  @exclusivity(unchecked) private var handler: UInt32 = 0
  @exclusivity(unchecked) private var queue = PacketQueue()
  /// The machine's devices by number; a device that is gone leaves a hole.
  @exclusivity(unchecked) private(set) var devices: ContiguousArray<NetworkDevice?> = [nil]
  /// The same without reference counts, for the way of each packet.
  @exclusivity(unchecked) private var references: ContiguousArray<Unmanaged<NetworkDevice>?> = [nil]
  /// Devices that were removed while a packet may have been on its way through them.
  @exclusivity(unchecked) private var removed: [NetworkDevice] = []
  /// The packet sockets of the machine.
  let packetSockets = PacketSocketList()
  private var lastSocketNumber: UInt32 = 0

  init(simulation: Simulation) {
    core = simulation.core
    handler = simulation.register(self)
  }

  /// The number that the next device gets.
  func nextNumber() -> UInt32 {
    devices.append(nil)
    references.append(nil)
    return UInt32(devices.count - 1)
  }

  /// The number that the next socket gets; numbers are unique on the machine.
  func nextSocketNumber() -> UInt32 {
    lastSocketNumber &+= 1
    return lastSocketNumber
  }

  func add(_ device: NetworkDevice) {
    devices[Int(device.number)] = device
    references[Int(device.number)] = .passUnretained(device)
  }

  func remove(_ device: NetworkDevice) {
    removed.append(device)
    devices[Int(device.number)] = nil
    references[Int(device.number)] = nil
  }

  /// The device with a number, if it still exists.
  @inline(__always)
  func device(_ number: UInt32) -> NetworkDevice? {
    Int(number) < devices.count ? devices[Int(number)] : nil
  }

  /// Hands a frame to a device, which receives it a moment later.
  @inline(__always)
  func enqueue(_ packet: consuming Packet, for device: NetworkDevice) {
    packet.metadata.device = device.number
    packet.metadata.due = core.now.nanoseconds &+ Self.delay
    // A frame's arrival is when it enters the queue, as Linux stamps it.
    if core.pointee.isTapped && device.isUp && packet.metadata.type != .loopback
      && !packet.metadata.flags.contains(.datedByTCP)
    {
      packet.metadata.flags.insert(.captured)
      device.show(packet, .incoming)
    }
    let wasEmpty = queue.isEmpty
    queue.append(packet)
    if wasEmpty { core.post(after: Self.delay, handler: handler, tag: 0) }
  }

  func handle(_ tag: UInt32) {
    guard let packet = queue.popFirst() else { return }
    if !removed.isEmpty { removed = [] }
    if let due = queue.nextDue {
      core.post(after: due &- core.now.nanoseconds, handler: handler, tag: 0)
    }
    // A packet of a device that is gone has nowhere to go.
    let number = Int(packet.metadata.device)
    guard let device = references[number] else { return }
    let slot = packet.intoSlot()
    device._withUnsafeGuaranteedRef { $0.receive(Packet(slot: slot)) }
  }
}

/// What hears frames where captures see them: a packet socket of a higher floor.
protocol FrameListener: AnyObject {
  func hear(_ packet: borrowing Packet, on device: NetworkDevice, _ direction: CaptureDirection)
}

/// A machine's packet sockets.
final class PacketSocketList {
  private var listeners: [any FrameListener] = []

  func add(_ listener: any FrameListener) {
    if !contains(listener) { listeners.append(listener) }
  }

  func remove(_ listener: any FrameListener) -> Bool {
    guard contains(listener) else { return false }
    listeners.removeAll { $0 === listener }
    return true
  }

  func contains(_ listener: any FrameListener) -> Bool { listeners.contains { $0 === listener } }

  func deliver(
    _ packet: borrowing Packet,
    on device: NetworkDevice,
    _ direction: CaptureDirection
  ) {
    for listener in listeners { listener.hear(packet, on: device, direction) }
  }
}
