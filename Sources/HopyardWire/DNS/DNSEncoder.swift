/// Which names in a message are shortened to a pointer (RFC 1035 §4.1.4).
public enum DNSCompression: Sendable {
  /// Owners, and the names in the data of the types of RFC 1035.
  case full
  /// Owners only, as dnsmasq and musl's peers do.
  case owners
  /// None.
  case none
}

extension DNSMessage {
  /// The message as bytes.
  public func encoded(_ compression: DNSCompression = .full) -> [UInt8] {
    var encoder = DNSEncoder(compression)
    let count = { (records: Int) in UInt16(clamping: records) }
    encoder.put(id)
    var flags: UInt16 = isResponse ? 0x8000 : 0
    flags |= UInt16(opcode & 15) << 11
    if isAuthoritative { flags |= 0x0400 }
    if isTruncated { flags |= 0x0200 }
    if wantsRecursion { flags |= 0x0100 }
    if offersRecursion { flags |= 0x0080 }
    if isAuthenticated { flags |= 0x0020 }
    if leavesOutChecks { flags |= 0x0010 }
    encoder.put(flags | (responseCode.rawValue & 15))
    encoder.put(count(questions.count))
    encoder.put(count(answers.count))
    encoder.put(count(authorities.count))
    encoder.put(count(additionals.count + (edns == nil ? 0 : 1)))
    for question in questions {
      encoder.put(question.name, compresses: compression != .none)
      encoder.put(question.type.rawValue)
      encoder.put(question.dnsClass.rawValue)
    }
    for record in answers + authorities + additionals { encoder.put(record) }
    if let edns {
      encoder.put(edns, extendedCode: UInt8(truncatingIfNeeded: responseCode.rawValue >> 4))
    }
    return encoder.bytes
  }

  /// The message after its length, as TCP carries it (RFC 1035 §4.2.2).
  public func encodedForStream(_ compression: DNSCompression = .full) -> [UInt8] {
    let bytes = encoded(compression).prefix(65_535)
    return [UInt8(bytes.count >> 8), UInt8(bytes.count & 255)] + bytes
  }
}

private struct DNSEncoder {
  var bytes: [UInt8] = []
  private let compression: DNSCompression
  /// Where names, in small letters, stand already.
  private var places: [ArraySlice<UInt8>: UInt16] = [:]

  init(_ compression: DNSCompression) { self.compression = compression }

  mutating func put(_ value: UInt16) {
    bytes.append(UInt8(value >> 8))
    bytes.append(UInt8(value & 255))
  }

  mutating func put(_ value: UInt32) {
    put(UInt16(value >> 16))
    put(UInt16(value & 0xffff))
  }

  mutating func put(_ name: DNSName, compresses: Bool) {
    var index = 0
    while name.wire[index] != 0 {
      let rest = name.folded[index...]
      if let place = places[rest] {
        if compresses {
          put(0xc000 | place)
          return
        }
      } else if bytes.count < 0x4000 {
        places[rest] = UInt16(bytes.count)
      }
      let end = index + 1 + Int(name.wire[index])
      bytes += name.wire[index..<end]
      index = end
    }
    bytes.append(0)
  }

  mutating func put(_ record: DNSRecord) {
    put(record.name, compresses: compression != .none)
    put(record.type.rawValue)
    put(record.dnsClass.rawValue)
    put(record.ttl)
    let lengthPlace = bytes.count
    put(UInt16(0))
    put(record.data)
    let length = bytes.count - lengthPlace - 2
    bytes[lengthPlace] = UInt8(truncatingIfNeeded: length >> 8)
    bytes[lengthPlace + 1] = UInt8(truncatingIfNeeded: length)
  }

  private mutating func put(_ data: DNSRecordData) {
    let compresses = compression == .full
    switch data {
    case .a(let address): put(address.rawValue)
    case .aaaa(let address):
      put(UInt32(truncatingIfNeeded: address.rawValue >> 96))
      put(UInt32(truncatingIfNeeded: address.rawValue >> 64))
      put(UInt32(truncatingIfNeeded: address.rawValue >> 32))
      put(UInt32(truncatingIfNeeded: address.rawValue))
    case .ns(let name), .cname(let name), .ptr(let name): put(name, compresses: compresses)
    case .soa(let soa):
      put(soa.primary, compresses: compresses)
      put(soa.mailbox, compresses: compresses)
      for value in [soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum] { put(value) }
    case .mx(let preference, let exchange):
      put(preference)
      put(exchange, compresses: compresses)
    case .txt(let strings):
      for string in strings {
        bytes.append(UInt8(min(string.count, 255)))
        bytes += string.prefix(255)
      }
    case .srv(let priority, let weight, let port, let target):
      put(priority)
      put(weight)
      put(port)
      // RFC 2782: the target is not compressed.
      put(target, compresses: false)
    case .caa(let flags, let tag, let value):
      bytes.append(flags)
      bytes.append(UInt8(min(tag.count, 255)))
      bytes += tag.prefix(255)
      bytes += value
    case .unknown(_, let data): bytes += data.prefix(65_535)
    }
  }

  mutating func put(_ edns: DNSExtension, extendedCode: UInt8) {
    bytes.append(0)
    put(DNSRecordType.opt.rawValue)
    put(edns.udpSize)
    bytes += [extendedCode, edns.version]
    put(edns.isDNSSECOK ? UInt16(0x8000) : UInt16(0))
    put(UInt16(clamping: edns.options.reduce(0) { $0 + 4 + $1.bytes.count }))
    for option in edns.options {
      put(option.code)
      put(UInt16(clamping: option.bytes.count))
      bytes += option.bytes.prefix(65_535)
    }
  }
}
