import HopyardWire

/// Joins fragments to datagrams (RFC 791 §3.2, RFC 5722 for overlaps as Linux applies it to IPv4).
final class Reassembler {
  private struct Key: Hashable {
    var source: UInt32
    var destination: UInt32
    var identification: UInt16
    var ipProtocol: UInt8
  }

  private final class Datagram {
    var parts: [(offset: Int, bytes: [UInt8])] = []
    var header: [UInt8]?
    var metadata: PacketMetadata?
    var total: Int?
    var received = 0
    var largest = 0
    var largestDF = false
    var timer: TimerToken?
    var device: UInt32 = 0
  }

  private let simulation: Simulation
  private unowned(unsafe) let stack: IPv4Stack
  private var datagrams: [Key: Datagram] = [:]
  private var memory = 0

  init(simulation: Simulation, stack: IPv4Stack) {
    self.simulation = simulation
    self.stack = stack
  }

  /// Takes a fragment; gives the whole datagram once it is complete.
  func add(_ packet: consuming Packet, on device: NetworkDevice?) -> Packet? {
    stack.counters.count(.ipReasmReqds)
    let headerLength = Int(packet.u8(at: 0) & 15) * 4
    let flags = packet.u16(at: 6)
    let offset = Int(flags & 0x1fff) * 8
    let hasMore = flags & 0x2000 != 0
    let size = packet.count - headerLength
    let key = Key(
      source: packet.u32(at: 12),
      destination: packet.u32(at: 16),
      identification: packet.u16(at: 4),
      ipProtocol: packet.u8(at: 9)
    )
    guard size > 0, !hasMore || size % 8 == 0, offset + size <= 65_535 else {
      stack.counters.count(.ipReasmFails)
      stack.drop(packet, .malformed, on: device)
      return nil
    }
    let datagram: Datagram
    if let known = datagrams[key] {
      datagram = known
    } else {
      guard memory < Int(stack.settings.fragmentHighThreshold) else {
        stack.counters.count(.ipReasmFails)
        stack.drop(packet, .queueFull, on: device)
        return nil
      }
      datagram = Datagram()
      datagrams[key] = datagram
      datagram.timer = simulation.scheduleKernelTimer(
        after: .seconds(Int64(stack.settings.fragmentTime))
      ) { [unowned self] in expire(key) }
    }
    datagram.device = device?.number ?? packet.metadata.inputDevice
    let end = offset + size
    if datagram.parts.contains(where: { $0.offset == offset && $0.bytes.count == size }) {
      // A repeated fragment changes nothing.
      stack.drop(packet, .fragmentTimeout, on: device)
      return nil
    }
    let overlaps = datagram.parts.contains {
      $0.offset < end && offset < $0.offset + $0.bytes.count
    }
    if overlaps || (!hasMore && datagram.total != nil && datagram.total != end)
      || (datagram.total.map { end > $0 } ?? false)
    {
      forget(key, datagram)
      stack.counters.count(.ipReasmFails)
      stack.drop(packet, .malformed, on: device)
      return nil
    }
    if !hasMore { datagram.total = end }
    if offset == 0 {
      datagram.header = packet.withBytes { [UInt8]($0[..<headerLength]) }
      datagram.metadata = packet.metadata
    }
    datagram.largest = max(datagram.largest, packet.count)
    if flags & 0x4000 != 0 { datagram.largestDF = true }
    datagram.parts.append(
      (offset, packet.withBytes { [UInt8](UnsafeRawBufferPointer(rebasing: $0[headerLength...])) })
    )
    datagram.received += size
    memory += size + 512
    guard let total = datagram.total, datagram.received == total, let header = datagram.header,
      let metadata = datagram.metadata
    else { return nil }
    forget(key, datagram)
    guard header.count + total <= 65_535 else {
      stack.counters.count(.ipReasmFails)
      return nil
    }
    var whole = simulation.pool.make(count: header.count + total)
    header.withUnsafeBytes { whole.write($0, at: 0) }
    for part in datagram.parts {
      part.bytes.withUnsafeBytes { whole.write($0, at: header.count + part.offset) }
    }
    whole.metadata = metadata
    whole.metadata.linkHeaderLength = 0
    whole.metadata.largestFragment = UInt16(datagram.largest)
    if datagram.largestDF { whole.metadata.flags.insert(.reassembledDF) }
    whole.setU16(UInt16(whole.count), at: 2)
    whole.setU16(datagram.largestDF ? 0x4000 : 0, at: 6)
    stack.setHeaderChecksum(&whole)
    stack.counters.count(.ipReasmOKs)
    return whole
  }

  private func forget(_ key: Key, _ datagram: Datagram) {
    if let timer = datagram.timer { simulation.cancel(timer) }
    datagrams[key] = nil
    memory -= datagram.parts.reduce(0) { $0 + $1.bytes.count + 512 }
  }

  /// The rest did not come in time; the sender is told if the first fragment is here.
  private func expire(_ key: Key) {
    guard let datagram = datagrams[key] else { return }
    datagram.timer = nil
    forget(key, datagram)
    stack.counters.count(.ipReasmFails)
    stack.counters.count(.ipReasmTimeout)
    guard let header = datagram.header, let metadata = datagram.metadata,
      let first = datagram.parts.first(where: { $0.offset == 0 }),
      let device = stack.host.backlog.device(datagram.device)
    else { return }
    var packet = simulation.pool.make(count: header.count + first.bytes.count)
    header.withUnsafeBytes { packet.write($0, at: 0) }
    first.bytes.withUnsafeBytes { packet.write($0, at: header.count) }
    packet.metadata = metadata
    stack.sendICMPError(about: packet, type: .timeExceeded, code: 1, received: device)
    stack.drop(packet, .fragmentTimeout, on: device)
  }
}

extension Packet {
  /// Writes bytes over own ones.
  mutating func write(_ bytes: [UInt8], at offset: Int) {
    bytes.withUnsafeBytes { write($0, at: offset) }
  }

  /// Writes bytes over own ones.
  mutating func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
    precondition(offset >= 0 && offset &+ bytes.count <= count, "a write outside the packet")
    if let source = bytes.baseAddress {
      (start + offset).copyMemory(from: source, byteCount: bytes.count)
    }
  }
}
