/// The bytes of a transport header and what follows it, read within their bounds.
struct TransportBytes {
  let bytes: UnsafeRawBufferPointer
  /// Where the header begins.
  let start: Int
  /// Where the packet ends.
  let end: Int

  init(_ bytes: UnsafeRawBufferPointer, from start: Int, to end: Int) {
    self.bytes = bytes
    self.end = min(max(0, end), bytes.count)
    self.start = min(max(0, start), self.end)
  }

  var count: Int { end - start }

  /// Whether so many bytes stand at an offset from the header's beginning.
  func has(_ length: Int, at offset: Int) -> Bool {
    offset >= 0 && length >= 0 && offset <= count && length <= count - offset
  }

  func u8(_ offset: Int) -> UInt8? {
    has(1, at: offset) ? bytes[start + offset] : nil
  }

  func u16(_ offset: Int) -> UInt16? {
    guard has(2, at: offset) else { return nil }
    return UInt16(
      bigEndian: bytes.loadUnaligned(fromByteOffset: start + offset, as: UInt16.self)
    )
  }

  func u32(_ offset: Int) -> UInt32? {
    guard has(4, at: offset) else { return nil }
    return UInt32(
      bigEndian: bytes.loadUnaligned(fromByteOffset: start + offset, as: UInt32.self)
    )
  }

  func u128(_ offset: Int) -> UInt128? {
    guard has(16, at: offset) else { return nil }
    return UInt128(
      bigEndian: bytes.loadUnaligned(fromByteOffset: start + offset, as: UInt128.self)
    )
  }
}

extension SCTPMatch {
  /// Whether a packet's chunks satisfy the match; ports aside.
  func acceptsChunks(of packet: TransportBytes) -> Bool {
    guard let chunks else { return true }
    return chunks.isMet(by: packet) != chunks.inverted
  }
}

extension SCTPMatch.Chunks {
  private func find(_ kind: UInt8) -> SCTPMatch.Chunk? {
    chunks.first { $0.kind == kind } ?? (isEverything ? SCTPMatch.Chunk(kind) : nil)
  }

  func isMet(by packet: TransportBytes) -> Bool {
    var missing = Set(chunks.map(\.kind))
    if isEverything { missing.formUnion(0...255) }
    var offset = 12
    repeat {
      guard let kind = packet.u8(offset), let flags = packet.u8(offset + 1),
        let length = packet.u16(offset + 2), length > 0
      else { return false }
      offset += (Int(length) + 3) & ~3
      guard let wanted = find(kind) else {
        if scope == .only { return false }
        continue
      }
      let hasFlags = flags & wanted.flagMask == wanted.flags
      switch scope {
      case .any: if hasFlags { return true }
      case .all: if hasFlags { missing.remove(kind) }
      case .only: if !hasFlags { return false }
      }
    } while offset < packet.count
    switch scope {
    case .all: return missing.isEmpty
    case .any: return false
    case .only: return true
    }
  }
}

extension DCCPMatch {
  /// Whether a packet's type and options satisfy the match; ports aside.
  func accepts(_ packet: TransportBytes) -> Bool {
    guard let kindByte = packet.u8(8) else { return false }
    let kind = kindByte >> 1 & 15
    if let types, (types.bits >> UInt16(kind) & 1 == 1) == types.inverted { return false }
    guard let option else { return true }
    guard let words = packet.u8(4) else { return false }
    let fixed = 12 + Int(kindByte & 1) * 4 + Self.length(ofKind: kind)
    guard Int(words) * 4 >= fixed else { return false }
    var offset = fixed
    var isFound = false
    while offset < Int(words) * 4, let found = packet.u8(offset) {
      if found == option.value {
        isFound = true
        break
      }
      // Numbers below 32 stand alone; the kernel counts those below 2.
      offset += found < 2 ? 1 : max(1, Int(packet.u8(offset + 1) ?? 1))
    }
    return isFound != option.inverted
  }

  /// How long the part of the header is that depends on the type (RFC 4340 §5).
  private static func length(ofKind kind: UInt8) -> Int {
    switch kind {
    case 0: 4
    case 1, 7: 12
    case 3, 4, 5, 6, 8, 9: 8
    default: 0
    }
  }
}

extension ECNMatch {
  /// Whether a packet's bits satisfy the match; `isTCP` says that a TCP header is there.
  func accepts(_ packet: TransportBytes, typeOfService: UInt8, isTCP: Bool) -> Bool {
    if let codepoint, (typeOfService & 3 == codepoint.value) == codepoint.inverted {
      return false
    }
    guard needsTCP else { return true }
    guard isTCP, packet.count >= 20, let flags = packet.u8(13) else { return false }
    if let echo, (flags & 0x40 != 0) != echo { return false }
    if let reduced, (flags & 0x80 != 0) != reduced { return false }
    return true
  }
}

extension TimeMatch {
  /// Whether a time, in seconds since 1970, satisfies the match.
  public func accepts(_ seconds: Int64) -> Bool {
    var stamp = seconds
    guard stamp >= Int64(dateStart), stamp <= Int64(dateStop) else { return false }
    let ofDay = stamp % 86400
    if timeStart < timeStop {
      if ofDay < timeStart || ofDay > timeStop { return false }
    } else {
      if ofDay < timeStart, ofDay > timeStop { return false }
      // After midnight it still is the evening on which the time began.
      if isContiguous, ofDay <= timeStop { stamp -= 86400 }
    }
    let day = max(0, stamp) / 86400
    let weekDay = (4 + day) % 7
    guard weekDays >> UInt8(weekDay == 0 ? 7 : weekDay) & 1 == 1 else { return false }
    return monthDays == Self.allMonthDays
      || monthDays >> UInt32(Self.dayOfMonth(day)) & 1 == 1
  }

  /// The day of the month of a day since 1970.
  private static func dayOfMonth(_ day: Int64) -> Int64 {
    // Days are counted from a first of March, so that a leap day ends its year.
    let dayOfEra = (day + 719_468) % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let month = (5 * dayOfYear + 2) / 153
    return dayOfYear - (153 * month + 2) / 5 + 1
  }
}
