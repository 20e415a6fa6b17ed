import HopyardSimulator
import HopyardWire

/// Sets and entries as ipset(8) prints them.
enum IpsetText {
  /// How sets are listed.
  enum Style {
    case plain
    case save
    case xml
  }

  // MARK: Options of a set

  /// The options of a set in the order in which they are printed; a nil value for flags.
  static func options(_ set: IPSet) -> [(name: String, value: String?)] {
    let options = set.options
    var list: [(name: String, value: String?)] = []
    let hasLateMask = set.type.name == "hash:ip,port" || set.type.name == "hash:net,net"
    var mask: [(name: String, value: String?)] = []
    if let prefix = options.prefix { mask.append(("netmask", "\(prefix)")) }
    if let bits = options.mask { mask.append(("bitmask", address(bits, options.family))) }
    switch set.type.method {
    case .hash:
      if set.type.hasFamily {
        list.append(("family", options.family == .ipv6 ? "inet6" : "inet"))
      }
      if set.type.parts.contains(.mark) {
        list.append(("markmask", IpsetNumber.hex(options.markMask, width: 8)))
      }
      list.append(("hashsize", "\(set.hashSize)"))
      list.append(("maxelem", "\(options.maximumCount)"))
      if !hasLateMask { list += mask }
    case .bitmap:
      let range = options.range
      list.append(
        set.type.parts.first == .port
          ? ("range", "\(range.lowerBound)-\(range.upperBound)")
          : (
            "range",
            address(UInt128(range.lowerBound), .ipv4) + "-"
              + address(UInt128(range.upperBound), .ipv4)
          )
      )
      list += mask
    case .list: list.append(("size", "\(options.listSize)"))
    }
    if let timeout = options.timeout { list.append(("timeout", "\(timeout)")) }
    if options.hasCounters { list.append(("counters", nil)) }
    if options.hasComments { list.append(("comment", nil)) }
    if options.hasPacketInformation { list.append(("skbinfo", nil)) }
    if set.type.method == .hash {
      list.append(("bucketsize", "\(options.bucketSize)"))
      list.append(("initval", IpsetNumber.hex(set.seed, width: 8)))
      if hasLateMask { list += mask }
    }
    return list
  }

  private static func line(_ options: [(name: String, value: String?)]) -> String {
    options.map { option in
      option.value.map { "\(option.name) \($0)" } ?? option.name
    }
    .joined(separator: " ")
  }

  // MARK: Entries

  static func address(_ address: UInt128, _ family: SetFamily) -> String {
    family == .ipv6
      ? IPv6Address(rawValue: address).description
      : IPv4Address(rawValue: UInt32(truncatingIfNeeded: address)).description
  }

  private static func network(_ value: UInt128, _ prefix: UInt8, _ family: SetFamily) -> String {
    let text = address(value, family)
    return Int(prefix) == family.addressBits ? text : "\(text)/\(prefix)"
  }

  static func hardwareAddress(_ address: UInt64) -> String {
    (0..<6).map { place in
      let byte = UInt8(truncatingIfNeeded: address >> UInt64(40 - place * 8))
      return (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
    }.joined(separator: ":")
  }

  static func port(_ number: UInt8, _ port: UInt16) -> String {
    let name = IPProtocol(rawValue: number).description
    switch number {
    case 1: return name + ":" + IpsetICMP.text(port, IpsetICMP.names)
    case 58: return name + ":" + IpsetICMP.text(port, IpsetICMP.namesOfIPv6)
    default: return "\(name):\(port)"
    }
  }

  /// The parts of an entry.
  static func element(_ entry: SetEntry, _ type: SetType, _ family: SetFamily) -> String {
    var words: [String] = []
    var isSecondAddress = false
    var isSecondPort = false
    for part in type.parts {
      switch part {
      case .address, .network:
        let value = isSecondAddress ? entry.secondAddress : entry.address
        if part == .network {
          words.append(
            network(value, isSecondAddress ? entry.secondPrefix : entry.prefix, family)
          )
        } else {
          words.append(address(value, family))
        }
        isSecondAddress = true
      case .port:
        let number = isSecondPort ? entry.secondPort : entry.port
        words.append(type.method == .bitmap ? "\(number)" : port(entry.protocol, number))
        isSecondPort = true
      case .hardwareAddress:
        if let value = entry.hardwareAddress { words.append(hardwareAddress(value)) }
      case .mark: words.append(IpsetNumber.hex(entry.mark, width: 8))
      case .interface:
        words.append((entry.isPhysicalDevice ? "physdev:" : "") + entry.interface)
      case .set: words.append(entry.member)
      }
    }
    return words.joined(separator: ",")
  }

  /// The parts of an entry as a request has them.
  static func element(_ request: SetRequest, _ type: SetType, _ family: SetFamily) -> String {
    func text(_ addresses: SetRequest.Addresses) -> String {
      let first = address(addresses.first, family)
      if let last = addresses.last { return first + "-" + address(last, family) }
      guard let prefix = addresses.prefix, Int(prefix) != family.addressBits else { return first }
      return "\(first)/\(prefix)"
    }
    var words: [String] = []
    var isSecondAddress = false
    var isSecondPort = false
    for part in type.parts {
      switch part {
      case .address, .network:
        if let value = isSecondAddress ? request.secondAddresses : request.addresses {
          words.append(text(value))
        }
        isSecondAddress = true
      case .port:
        if let ports = isSecondPort ? request.secondPorts : request.ports {
          words.append(
            request.protocol.map { port($0, ports.first) } ?? "\(ports.first)"
          )
        }
        isSecondPort = true
      case .hardwareAddress:
        if let value = request.hardwareAddress { words.append(hardwareAddress(value)) }
      case .mark: words.append(IpsetNumber.hex(request.mark ?? 0, width: 8))
      case .interface:
        words.append((request.isPhysicalDevice ? "physdev:" : "") + (request.interface ?? ""))
      case .set:
        var word = request.member ?? ""
        if let neighbour = request.reference {
          word += (request.isBefore ? " before " : " after ") + neighbour
        }
        words.append(word)
      }
    }
    return words.joined(separator: ",")
  }

  /// What stands behind an entry, in the order in which it is printed; a nil value for flags.
  private static func information(_ entry: SetEntry) -> [(name: String, value: String?)] {
    var list: [(name: String, value: String?)] = []
    let own = entry.information
    if let timeout = own.timeout { list.append(("timeout", "\(timeout)")) }
    if entry.isNoMatch { list.append(("nomatch", nil)) }
    if let packets = own.packets { list.append(("packets", "\(packets)")) }
    if let bytes = own.bytes { list.append(("bytes", "\(bytes)")) }
    if let comment = own.comment { list.append(("comment", "\"\(comment)\"")) }
    if let mark = own.mark {
      let mask = mark.mask == .max ? "" : "/" + IpsetNumber.hex(mark.mask)
      list.append(("skbmark", IpsetNumber.hex(mark.value) + mask))
    }
    if let priority = own.priority {
      let minor = String(priority & 0xffff, radix: 16)
      list.append(("skbprio", String(priority >> 16, radix: 16) + ":" + minor))
    }
    if let queue = own.queue { list.append(("skbqueue", "\(queue)")) }
    if entry.isWildcard { list.append(("wildcard", nil)) }
    return list
  }

  // MARK: Whole sets

  /// A set with its entries, or without them (`-terse`).
  static func set(
    _ set: IPSet,
    _ style: Style,
    isTerse: Bool,
    isSorted: Bool,
    references: Int
  ) -> String {
    var entries = set.entries().map { entry in
      (element(entry, set.type, set.options.family), information(entry))
    }
    let count = entries.count
    if isSorted, set.type.method == .hash {
      entries.sort { IpsetOrder.isLess($0.0, $1.0) }
    }
    let header = options(set)
    var text = ""
    switch style {
    case .plain:
      text += "Name: \(set.name)\nType: \(set.type.name)\nRevision: \(set.type.revision)\n"
      text += "Header: \(line(header))\nSize in memory: \(set.memorySize)\n"
      text += "References: \(references)\nNumber of entries: \(count)\n"
      if isTerse { return text }
      text += "Members:\n"
      for (element, information) in entries {
        text += element + (information.isEmpty ? "" : " " + line(information)) + "\n"
      }
    case .save:
      text += "create \(set.name) \(set.type.name) \(line(header))\n"
      for (element, information) in entries {
        text += "add \(set.name) " + element
        text += (information.isEmpty ? "" : " " + line(information)) + "\n"
      }
    case .xml:
      text += "<ipset name=\"\(set.name)\">\n<type>\(set.type.name)</type>\n"
      text += "<revision>\(set.type.revision)</revision>\n<header>\(xml(header))\n"
      text += "<memsize>\(set.memorySize)</memsize>\n<references>\(references)</references>\n"
      text += "<numentries>\(count)</numentries>\n</header>\n"
      if !isTerse {
        text += "<members>\n"
        for (element, information) in entries {
          text += "<member><elem>\(element)</elem>\(xml(information))</member>\n"
        }
        text += "</members>\n"
      }
      text += "</ipset>\n"
    }
    return text
  }

  private static func xml(_ options: [(name: String, value: String?)]) -> String {
    options.map { option in
      option.value.map { "<\(option.name)>\($0)</\(option.name)>" } ?? "<\(option.name)/>"
    }.joined()
  }
}

/// The order of `-sorted`: numbers by value, longer prefixes first, shorter words first.
enum IpsetOrder {
  static func isLess(_ left: String, _ right: String) -> Bool {
    var a = Array(left.utf8)[...]
    var b = Array(right.utf8)[...]
    var isPrefix = false
    while let x = a.first, let y = b.first {
      if isDigit(x), isDigit(y) {
        let one = number(&a)
        let other = number(&b)
        if one != other { return isPrefix ? one > other : one < other }
      } else if isLetter(x), isLetter(y) {
        let one = word(&a)
        let other = word(&b)
        if one.count != other.count { return one.count < other.count }
        if one != other { return one.lexicographicallyPrecedes(other) }
      } else {
        if x != y { return x < y }
        isPrefix = x == UInt8(ascii: "/")
        a = a.dropFirst()
        b = b.dropFirst()
        continue
      }
      isPrefix = false
    }
    return a.count < b.count
  }

  private static func isDigit(_ byte: UInt8) -> Bool { byte >= 48 && byte <= 57 }

  private static func isLetter(_ byte: UInt8) -> Bool {
    byte | 32 >= 97 && byte | 32 <= 122
  }

  private static func number(_ bytes: inout ArraySlice<UInt8>) -> UInt64 {
    var value: UInt64 = 0
    while let byte = bytes.first, isDigit(byte) {
      value = value &* 10 &+ UInt64(byte - 48)
      bytes = bytes.dropFirst()
    }
    return value
  }

  private static func word(_ bytes: inout ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    let word = bytes.prefix { isLetter($0) }
    bytes = bytes.dropFirst(word.count)
    return word
  }
}
