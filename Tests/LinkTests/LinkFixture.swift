import HopyardWire

@testable import HopyardSimulator

/// Notes what each interface sends and receives.
final class FrameLog: PacketTap {
  private var names: [Int: String] = [:]
  /// Lines such as `out v1 02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff`.
  private(set) var lines: [String] = []
  private(set) var times: [Int64] = []

  func register(_ point: CapturePoint) { names[point.id] = point.interface }
  func rename(point id: Int, to name: String) { names[id] = name }

  func capture(
    _ frame: UnsafeRawBufferPointer,
    at time: Instant,
    on point: Int,
    direction: CaptureDirection
  ) {
    func mac(_ offset: Int) -> MACAddress {
      var value: UInt64 = 0
      for index in offset..<offset + 6 { value = value << 8 | UInt64(frame[index]) }
      return MACAddress(rawValue: value)
    }
    let tag =
      frame[12] == 0x81 && frame[13] == 0
      ? " vlan \(Int(frame[14] & 15) << 8 | Int(frame[15]))" : ""
    lines.append(
      "\(direction == .incoming ? "in" : "out") \(names[point] ?? "?") \(mac(6).rawValue & 0xff) > "
        + "\(mac(0).isBroadcast ? "all" : String(mac(0).rawValue & 0xff))\(tag)"
    )
    times.append(time.nanoseconds)
  }

  func clear() {
    lines = []
    times = []
  }
}

/// A bridge with three veth ports `p1` to `p3`; the far ends are `h1` to `h3`, with the addresses
/// 02:00:00:00:00:01 to :03.
struct Segment {
  let simulation = Simulation()
  let log = FrameLog()
  let machine: Machine
  let host: NetworkNamespace
  let bridge: BridgeDevice
  var ends: [VethDevice] = []

  init(count: Int = 3) throws {
    machine = Machine(simulation: simulation)
    host = machine.root
    bridge = try host.makeBridge(NewLink("br0"))
    try host.setLinkUp(bridge)
    for number in 1...count {
      let place = machine.makeNamespace("n\(number)")
      let (port, end) = try host.makeVeth(
        NewLink("p\(number)", mac: MACAddress(rawValue: 0x0200_0000_0010 + UInt64(number))),
        peer: NewLink("h\(number)", mac: MACAddress(rawValue: 0x0200_0000_0000 + UInt64(number))),
        in: place
      )
      try host.setLinkMaster(port, bridge)
      try host.setLinkUp(port)
      try place.setLinkUp(end)
      ends.append(end)
    }
    simulation.tap = log
  }

  func port(_ number: Int) throws -> BridgePort {
    guard let port = host.devices["p\(number)"]?.bridgePort else { throw LinkError(.noSuchDevice) }
    return port
  }

  /// Sends a frame of an unknown protocol from a far end, and lets it arrive.
  func send(from number: Int, to destination: MACAddress, size: Int = 60, tag: UInt16? = nil) {
    let end = ends[number - 1]
    simulation.send(on: end, from: end.mac, to: destination, size: size, tag: tag)
    simulation.run(until: simulation.now + .milliseconds(1))
  }
}

extension Simulation {
  /// Hands a frame of a made-up protocol to a device.
  func send(
    on device: NetworkDevice,
    from source: MACAddress,
    to destination: MACAddress,
    size: Int,
    tag: UInt16? = nil
  ) {
    var packet = pool.make(count: size)
    packet.withMutableBytes { bytes in
      for index in bytes.indices { bytes[index] = 0 }
    }
    packet.setMAC(destination, at: 0)
    packet.setMAC(source, at: 6)
    packet.setU16(0x88b5, at: 12)
    if let tag {
      packet.setU16(0x8100, at: 12)
      packet.setU16(tag, at: 14)
      packet.setU16(0x88b5, at: 16)
    }
    _ = device.queueTransmit(packet)
  }
}

/// A MAC address of the fixtures, by its last octet.
func address(_ number: UInt64) -> MACAddress { MACAddress(rawValue: 0x0200_0000_0000 + number) }
