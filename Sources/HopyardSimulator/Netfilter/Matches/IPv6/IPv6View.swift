/// The fields of an IPv6 packet that rules look at, with its chain of extension headers walked
/// (RFC 8200 §4).
struct IPv6View {
  /// One extension header.
  struct Header {
    /// The number by which the header before names it.
    var kind: UInt8
    /// Where it begins.
    var start: Int
    /// Its length in bytes.
    var length: Int
  }

  var source: UInt128
  var destination: UInt128
  var trafficClass: UInt8
  var hopLimit: UInt8
  /// The length of the whole packet, as it is counted.
  var totalLength: Int
  /// The extension headers in order, up to what cannot be read.
  var headers: [Header] = []
  /// The number of what follows the last of them.
  var `protocol`: UInt8
  /// Where that begins.
  var transport: Int
  /// Whether the packet is a later fragment, which has no transport header.
  var isLaterFragment = false

  /// Extension headers that are walked through; the payload of ESP is not.
  private static func isExtension(_ kind: UInt8) -> Bool {
    kind == 0 || kind == 43 || kind == 44 || kind == 51 || kind == 60
  }

  /// Reads the headers; nil if the first is not whole.
  init?(_ bytes: [UInt8]) {
    guard bytes.count >= 40, bytes[0] >> 4 == 6 else { return nil }
    func word(_ offset: Int) -> UInt128 {
      bytes[offset..<offset + 16].reduce(0) { $0 << 8 | UInt128($1) }
    }
    source = word(8)
    destination = word(24)
    trafficClass = bytes[0] << 4 | bytes[1] >> 4
    hopLimit = bytes[7]
    totalLength = min(bytes.count, 40 + (Int(bytes[4]) << 8 | Int(bytes[5])))
    var kind = bytes[6]
    var offset = 40
    while Self.isExtension(kind), offset + 8 <= totalLength {
      let length: Int =
        switch kind {
        case 44: 8
        case 51: (Int(bytes[offset + 1]) + 2) * 4
        default: (Int(bytes[offset + 1]) + 1) * 8
        }
      headers.append(Header(kind: kind, start: offset, length: length))
      let next = bytes[offset]
      if kind == 44, Int(bytes[offset + 2]) << 8 | Int(bytes[offset + 3] & 0xf8) != 0 {
        isLaterFragment = true
      }
      kind = next
      offset += length
      // What follows the header of a later fragment is data.
      if isLaterFragment { break }
    }
    `protocol` = kind
    transport = min(offset, totalLength)
  }

  /// The first header of a kind.
  func header(_ kind: UInt8) -> Header? { headers.first { $0.kind == kind } }
}

// MARK: Extension headers

extension FragmentMatch {
  func accepts(_ view: IPv6View, _ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let header = view.header(44) else { return false }
    let data = TransportBytes(bytes, from: header.start, to: view.totalLength)
    guard let reserved = data.u8(1), let offset = data.u16(2), let number = data.u32(4) else {
      return false
    }
    if let id, !id.matches(number) { return false }
    if checksReserved, reserved != 0 || offset & 6 != 0 { return false }
    if isFirst, offset & ~7 != 0 { return false }
    if let hasMore, (offset & 1 != 0) != hasMore { return false }
    return true
  }
}

extension OptionsHeaderMatch {
  func accepts(_ header: IPv6View.Header?, _ view: IPv6View, _ bytes: UnsafeRawBufferPointer)
    -> Bool
  {
    guard let header else { return false }
    if let length, !length.matches(UInt32(header.length)) { return false }
    let data = TransportBytes(
      bytes,
      from: header.start,
      to: min(view.totalLength, header.start + header.length)
    )
    var offset = 2
    for option in options {
      guard let kind = data.u8(offset), kind == option.kind else { return false }
      // Pad1 alone has no length.
      if kind == 0 {
        offset += 1
        continue
      }
      guard let size = data.u8(offset + 1) else { return false }
      if let wanted = option.length, wanted != size { return false }
      offset += Int(size) + 2
    }
    return true
  }
}

extension RoutingHeaderMatch {
  func accepts(_ view: IPv6View, _ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let header = view.header(43) else { return false }
    let data = TransportBytes(bytes, from: header.start, to: view.totalLength)
    guard let kind = data.u8(2), let left = data.u8(3) else { return false }
    if let segmentsLeft, !segmentsLeft.matches(UInt32(left)) { return false }
    if let length, !length.matches(UInt32(header.length)) { return false }
    if let type, !type.matches(UInt32(kind)) { return false }
    if checksReserved, data.u32(4) != 0 { return false }
    guard !addresses.isEmpty else { return true }
    let count = (header.length - 8) / 16
    guard addresses.count <= count else { return false }
    var found = 0
    for place in 0..<count {
      guard found < addresses.count, let address = data.u128(8 + place * 16) else { break }
      if address == addresses[found] {
        found += 1
      } else if !isLoose {
        break
      }
    }
    return found == addresses.count && (isLoose || found == count)
  }
}

extension HeaderListMatch {
  func accepts(_ view: IPv6View) -> Bool {
    var found: Headers = []
    for header in view.headers {
      switch header.kind {
      case 0: found.insert(.hopByHop)
      case 43: found.insert(.routing)
      case 44: found.insert(.fragment)
      case 51: found.insert(.authentication)
      default: found.insert(.destination)
      }
    }
    switch view.protocol {
    case 59: found.insert(.none)
    case 50: found.insert(.payload)
    default: found.insert(.transport)
    }
    if isSoft {
      // Each of the headers must be there, or with `!` none of them.
      return inverted ? found.isDisjoint(with: headers) : found.isSuperset(of: headers)
    }
    return (found == headers) != inverted
  }
}

extension SegmentRoutingMatch.Field {
  func accepts(_ number: UInt8) -> Bool {
    if let equal, (number == value) == equal.inverted { return false }
    if let greater, (number > value) == greater.inverted { return false }
    if let less, (number < value) == less.inverted { return false }
    return true
  }
}

extension SegmentRoutingMatch {
  func accepts(_ view: IPv6View, _ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let header = view.header(43) else { return false }
    let data = TransportBytes(bytes, from: header.start, to: view.totalLength)
    guard header.length <= data.count, data.u8(2) == 4, let following = data.u8(0),
      let length = data.u8(1), let left = data.u8(3), let lastEntry = data.u8(4),
      let label = data.u16(6), left <= lastEntry
    else { return false }
    if let nextHeader, !nextHeader.matches(UInt32(following)) { return false }
    guard headerLength.accepts(length), segmentsLeft.accepts(left),
      self.lastEntry.accepts(lastEntry)
    else { return false }
    if let tag, !tag.matches(UInt32(label)) { return false }
    func segment(_ number: Int, _ wanted: AddressMatch) -> Bool {
      guard let address = data.u128(8 + number * 16) else { return false }
      return (address & wanted.mask == wanted.address & wanted.mask) != wanted.inverted
    }
    if let previous, left == lastEntry || !segment(Int(left) + 1, previous) { return false }
    if let next, left == 0 || !segment(Int(left) - 1, next) { return false }
    if let last, !segment(0, last) { return false }
    return true
  }
}

extension IPv6View {
  /// The ports, where there are any.
  func ports(_ bytes: [UInt8]) -> (source: UInt16, destination: UInt16)? {
    guard [6, 17, 33, 132, 136].contains(`protocol`), !isLaterFragment,
      transport + 4 <= min(totalLength, bytes.count)
    else { return nil }
    func word(_ offset: Int) -> UInt16 {
      UInt16(bytes[transport + offset]) << 8 | UInt16(bytes[transport + offset + 1])
    }
    return (word(0), word(2))
  }
}
