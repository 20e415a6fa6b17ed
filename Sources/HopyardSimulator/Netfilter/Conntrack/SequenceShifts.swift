import HopyardWire

/// How far the sequence numbers of rewritten connections are off (nf_conntrack_seqadj).
struct SequenceShifts {
  private struct Shift {
    /// Where the last change was made.
    var place: UInt32 = 0
    var before: UInt32 = 0
    var after: UInt32 = 0

    func offset(_ sequence: UInt32) -> UInt32 {
      Int32(bitPattern: sequence &- place) > 0 ? after : before
    }
  }

  private struct Connection {
    var generation: UInt32
    var shifts = [Shift(), Shift()]
  }

  private var connections: [UInt32: Connection] = [:]

  var isEmpty: Bool { connections.isEmpty }

  /// Notes that a segment became longer or shorter.
  mutating func note(
    _ index: UInt32,
    _ entry: UnsafeMutablePointer<Conntrack.Entry>,
    _ direction: ConntrackDirection,
    at sequence: UInt32,
    growth: Int
  ) {
    let new = Connection(generation: entry.pointee.generation)
    var known = connections[index] ?? new
    if known.generation != new.generation { known = new }
    var shift = known.shifts[Int(direction.rawValue)]
    if shift.before == shift.after || Int32(bitPattern: shift.place &- sequence) < 0 {
      shift.place = sequence
      shift.before = shift.after
      shift.after = shift.after &+ UInt32(truncatingIfNeeded: growth)
    }
    known.shifts[Int(direction.rawValue)] = shift
    connections[index] = known
  }

  /// How far a number of a direction's sender is moved.
  func offset(
    _ index: UInt32,
    _ generation: UInt32,
    _ direction: ConntrackDirection,
    at sequence: UInt32
  ) -> UInt32 {
    guard let known = connections[index], known.generation == generation else { return 0 }
    return known.shifts[Int(direction.rawValue)].offset(sequence)
  }

  /// Moves the numbers of a segment that leaves.
  func apply(
    to packet: inout Packet,
    _ index: UInt32,
    _ entry: UnsafeMutablePointer<Conntrack.Entry>
  ) {
    guard let known = connections[index], known.generation == entry.pointee.generation,
      let view = PacketView(packet), view.protocol == 6, view.transportLength >= 20
    else { return }
    let direction = ConntrackInfo.direction(packet.metadata.conntrackInfo)
    let own = known.shifts[Int(direction.rawValue)]
    let other = known.shifts[Int(direction.opposite.rawValue)]
    let sequence = packet.u32(at: view.transport + 4)
    Self.replace(&packet, view, at: 4, by: sequence &+ own.offset(sequence))
    guard packet.u8(at: view.transport + 13) & 0x10 != 0 else { return }
    let ack = packet.u32(at: view.transport + 8)
    Self.replace(&packet, view, at: 8, by: ack &- other.offset(ack &- other.before))
  }

  private static func replace(
    _ packet: inout Packet,
    _ view: PacketView,
    at offset: Int,
    by value: UInt32
  ) {
    let old = packet.u32(at: view.transport + offset)
    guard value != old else { return }
    packet.setU32(value, at: view.transport + offset)
    let place = view.transport + 16
    packet.setU16(InternetChecksum.adjust(packet.u16(at: place), from: old, to: value), at: place)
  }

  /// Forgets a connection.
  mutating func forget(_ index: UInt32) {
    if !connections.isEmpty { connections[index] = nil }
  }
}
