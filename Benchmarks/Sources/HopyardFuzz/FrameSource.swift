/// Produces frames: valid ones of many kinds, then broken in ways that parsers trip over.
///
/// The addresses are those of the network under test, so that frames get past the first checks.
struct FrameSource {
  /// Addresses that mean something to the device under test.
  struct Surroundings {
    /// The hardware address of the device itself.
    var target: UInt64
    /// Hardware addresses that hosts in the network have.
    var macs: [UInt64]
    /// IPv4 addresses from which packets may come by the device.
    var sources: [UInt32]
    /// IPv4 addresses of hosts in and behind the device.
    var destinations: [UInt32]
    /// VLANs that are configured somewhere.
    var vlans: [UInt16] = [0, 1, 10, 20, 4094, 4095]
    /// Ports with a socket or a rule.
    var ports: [UInt16] = [9, 53, 80, 7000, 8080, 33434]
  }

  var random: FuzzRandom
  private var writer = FrameWriter()
  /// IPv4 packets sent earlier, for ICMP errors to quote and for replies.
  private var sent: [[UInt8]] = []
  private var networkOffset = 14

  init(seed: UInt64) { random = FuzzRandom(seed: seed) }

  /// The next frame.
  mutating func next(_ surroundings: Surroundings) -> [UInt8] {
    if random.once(in: 50) { return noise() }
    writer.bytes.removeAll(keepingCapacity: true)
    build(surroundings)
    if random.below(10) < 6 { mutate() }
    return writer.bytes
  }

  private mutating func noise() -> [UInt8] {
    let length = random.once(in: 20) ? random.below(9000) : random.below(100)
    return (0..<length).map { _ in random.byte() }
  }

  // MARK: Valid frames

  private mutating func build(_ surroundings: Surroundings) {
    writer.mac(destinationMAC(surroundings))
    writer.mac(random.once(in: 30) ? random.next() : random.pick(surroundings.macs))
    if random.once(in: 6) {
      for _ in 0...random.below(random.once(in: 10) ? 8 : 2) {
        writer.u16(random.pick([0x8100, 0x8100, 0x8100, 0x88a8, 0x9100]))
        writer.u16(random.word() & 0xf000 | random.pick(surroundings.vlans))
      }
    }
    switch random.below(40) {
    case 0..<6: arp(surroundings)
    case 6: otherEtherType()
    default:
      writer.u16(0x0800)
      networkOffset = writer.bytes.count
      ipv4(surroundings)
      remember()
    }
  }

  private mutating func destinationMAC(_ surroundings: Surroundings) -> UInt64 {
    switch random.below(20) {
    case 0: 0xffff_ffff_ffff
    case 1: 0x0100_5e00_0000 | UInt64(random.long() & 0x7f_ffff)
    case 2: random.next() & 0xffff_ffff_ffff
    case 3: 0x0180_c200_0000 | UInt64(random.below(16))
    case 4..<8: random.pick(surroundings.macs)
    default: surroundings.target
    }
  }

  private mutating func source(_ surroundings: Surroundings) -> UInt32 {
    random.once(in: 4) ? address(surroundings) : random.pick(surroundings.sources)
  }

  private mutating func address(_ surroundings: Surroundings) -> UInt32 {
    switch random.below(24) {
    case 0: 0
    case 1: 0xffff_ffff
    case 2: 0x7f00_0001
    case 3: 0xe000_0000 | random.long() & 0x0fff_ffff
    case 4: random.pick([0xe000_0001, 0xe000_0016, 0xe000_00fb, 0xefff_fffa])
    case 5: random.long()
    case 6: random.pick(surroundings.destinations) | 0xff
    case 7: 0xa9fe_0000 | random.long() & 0xffff
    default: random.pick(surroundings.destinations)
    }
  }

  private mutating func arp(_ surroundings: Surroundings) {
    writer.u16(0x0806)
    networkOffset = writer.bytes.count
    writer.u16(1)
    writer.u16(0x0800)
    writer.u8(6)
    writer.u8(4)
    writer.u16(random.once(in: 10) ? random.interestingWord() : UInt16(1 + random.below(2)))
    writer.mac(random.pick(surroundings.macs))
    let sender = source(surroundings)
    writer.u32(random.once(in: 8) ? 0 : sender)
    writer.mac(random.once(in: 2) ? 0 : random.pick(surroundings.macs))
    writer.u32(random.once(in: 6) ? sender : address(surroundings))
    if random.once(in: 2) { writer.bytes += [UInt8](repeating: 0, count: 18) }
  }

  private mutating func otherEtherType() {
    let type: UInt16 = random.pick([0x86dd, 0x0026, 0x0000, 0x05dc, 0x8847, 0x88cc, 0x8863, 0x600])
    writer.u16(type)
    networkOffset = writer.bytes.count
    if type == 0x0026 {
      // A spanning-tree message: LLC, then a configuration BPDU.
      writer.bytes += [0x42, 0x42, 0x03, 0, 0, 0, 0, 0]
    }
    if type == 0x86dd {
      writer.u32(0x6000_0000)
      writer.u16(UInt16(random.below(64)))
      writer.u8(random.pick([0, 6, 17, 43, 44, 58, 60]))
      writer.u8(64)
    }
    for _ in 0..<random.below(80) { writer.u8(random.byte()) }
  }

  private mutating func ipv4(_ surroundings: Surroundings) {
    let start = writer.bytes.count
    let options = random.once(in: 8) ? optionBytes() : []
    writer.u8(UInt8(0x45 + options.count / 4))
    writer.u8(random.once(in: 6) ? random.byte() : 0)
    writer.u16(0)
    writer.u16(random.once(in: 3) ? UInt16(random.below(6)) : random.word())
    writer.u16(fragmentField())
    writer.u8(random.pick([0, 1, 1, 2, 3, 64, 64, 64, 255]))
    let transport: UInt8 = random.pick(
      [1, 1, 1, 2, 4, 6, 6, 6, 17, 17, 17, 17, 47, 50, 58, 89, 132, 255])
    writer.u8(transport)
    writer.u16(0)
    writer.u32(source(surroundings))
    writer.u32(address(surroundings))
    writer.bytes += options
    payload(transport, surroundings)
    writer.set16(UInt16(truncatingIfNeeded: writer.bytes.count - start), at: start + 2)
    writer.repairChecksums(from: start)
    if random.once(in: 5) { writer.bytes += [UInt8](repeating: 0, count: random.below(30)) }
  }

  private mutating func fragmentField() -> UInt16 {
    switch random.below(12) {
    case 0: 0x2000
    case 1: 0x2000 | UInt16(random.below(8))
    case 2: UInt16(random.below(16))
    case 3: random.pick([0x1fff, 0x3fff, 0x8000, 0xffff, 0x6000])
    case 4, 5, 6: 0x4000
    default: 0
    }
  }

  private mutating func optionBytes() -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < 38, !random.once(in: 4) {
      switch random.below(9) {
      case 0: bytes.append(1)
      case 1: bytes.append(0)
      case 2, 3, 4:
        // Record route, loose and strict source route.
        let entries = random.below(4)
        bytes += [random.pick([7, 131, 137]), UInt8(3 + entries * 4), UInt8(4 + random.below(12))]
        for _ in 0..<entries * 4 { bytes.append(random.byte()) }
      case 5:
        bytes += [68, UInt8(4 + random.below(4) * 4), 5, random.pick([0, 1, 3, 0xf1])]
        for _ in 0..<random.below(3) * 4 { bytes.append(0) }
      case 6: bytes += [148, 4, 0, 0]
      case 7: bytes += [random.byte(), random.byte(), random.byte()]
      default: bytes += [130, 11] + [UInt8](repeating: 0, count: 9)
      }
    }
    bytes = Array(bytes.prefix(40))
    while bytes.count % 4 != 0 { bytes.append(0) }
    return bytes
  }

  private mutating func payload(_ transport: UInt8, _ surroundings: Surroundings) {
    let length = random.once(in: 12) ? random.below(3000) : random.below(64)
    switch transport {
    case 1: icmp(surroundings)
    case 2:
      writer.u8(random.pick([0x11, 0x12, 0x16, 0x17, 0x22]))
      writer.u8(random.byte())
      writer.u16(0)
      writer.u32(0xe000_0000 | random.long() & 0x0fff_ffff)
      for _ in 0..<random.below(24) { writer.u8(random.byte()) }
    case 6:
      writer.u16(port(surroundings))
      writer.u16(port(surroundings))
      writer.u32(random.long())
      writer.u32(random.long())
      writer.u8(random.once(in: 10) ? random.byte() : 0x50)
      writer.u8(random.pick([2, 0x12, 0x10, 0x18, 0x11, 4, 0x14, random.byte()]))
      writer.u16(random.interestingWord())
      writer.u16(0)
      writer.u16(0)
      for _ in 0..<length { writer.u8(random.byte()) }
    case 17:
      writer.u16(port(surroundings))
      writer.u16(port(surroundings))
      writer.u16(UInt16(8 + length))
      writer.u16(0)
      for _ in 0..<length { writer.u8(random.byte()) }
    default:
      for _ in 0..<length { writer.u8(random.byte()) }
    }
  }

  private mutating func port(_ surroundings: Surroundings) -> UInt16 {
    random.once(in: 4) ? random.interestingWord() : random.pick(surroundings.ports)
  }

  private mutating func icmp(_ surroundings: Surroundings) {
    guard random.once(in: 2) else {
      writer.u8(random.pick([0, 8, 8, 8, 13, 14, 17, 9, 10, random.byte()]))
      writer.u8(0)
      writer.u16(0)
      writer.u16(UInt16(random.below(8)))
      writer.u16(UInt16(random.below(8)))
      for _ in 0..<random.below(64) { writer.u8(random.byte()) }
      return
    }
    writer.u8(random.pick([3, 3, 3, 4, 5, 11, 12]))
    writer.u8(UInt8(random.below(16)))
    writer.u16(0)
    // The gateway of a redirect, or the MTU of "fragmentation needed".
    writer.u16(random.once(in: 3) ? random.word() : 0)
    writer.u16(random.interestingWord())
    guard !sent.isEmpty, !random.once(in: 8) else {
      for _ in 0..<random.below(40) { writer.u8(random.byte()) }
      return
    }
    let quoted = random.pick(sent)
    writer.bytes += quoted.prefix(random.pick([28, 28, 48, 128, random.below(64)]))
  }

  /// Keeps the packet, or what the other side would have sent, to be quoted later.
  private mutating func remember() {
    let packet = Array(writer.bytes[networkOffset...].prefix(128))
    if sent.count < 32 { sent.append(packet) } else { sent[random.below(32)] = packet }
  }

  // MARK: Broken frames

  private mutating func mutate() {
    for _ in 0...random.below(3) { mutateOnce() }
    if random.once(in: 2), networkOffset < writer.bytes.count,
      writer.get16(networkOffset - 2) == 0x0800
    {
      writer.repairChecksums(from: networkOffset)
    }
  }

  private mutating func mutateOnce() {
    let count = writer.bytes.count
    guard count > 0 else { return }
    let ip = networkOffset
    switch random.below(14) {
    case 0: writer.bytes[random.below(count)] ^= 1 << UInt8(random.below(8))
    case 1: writer.bytes[random.below(count)] = random.byte()
    case 2: writer.set16(random.interestingWord(), at: random.below(count))
    case 3: writer.bytes.removeLast(random.below(count + 1))
    case 4: writer.bytes.removeLast(min(count, random.below(4)))
    case 5:
      for _ in 0..<random.below(random.once(in: 10) ? 60_000 : 64) {
        writer.u8(random.byte())
      }
    case 6:
      let from = random.below(count)
      let piece = Array(writer.bytes[from..<min(count, from + random.below(64))])
      writer.bytes.insert(contentsOf: piece, at: random.below(count))
    case 7:
      let from = random.below(count)
      writer.bytes.removeSubrange(from..<min(count, from + random.below(16)))
    // Version and header length, total length, fragment, protocol.
    case 8: set(ip, random.pick([0x40, 0x41, 0x44, 0x45, 0x46, 0x4f, 0x65, 0x05, random.byte()]))
    case 9: writer.set16(random.interestingWord(), at: ip + 2)
    case 10: writer.set16(random.interestingWord(), at: ip + 6)
    case 11: set(ip + 9, random.byte())
    // Lengths inside the transport header, and inside a quoted packet.
    case 12:
      let transport = ip + Int(ip < count ? writer.bytes[ip] & 15 : 5) * 4
      writer.set16(random.interestingWord(), at: transport + random.pick([0, 2, 4, 6, 12, 8, 10]))
    default:
      let transport = ip + 20
      set(transport + 8, random.byte())
      if random.once(in: 2) { set(transport + 17, random.byte()) }
    }
  }

  private mutating func set(_ offset: Int, _ value: UInt8) {
    guard offset >= 0, offset < writer.bytes.count else { return }
    writer.bytes[offset] = value
  }
}
