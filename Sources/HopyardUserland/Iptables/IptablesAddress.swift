import HopyardSimulator
import HopyardWire

/// Addresses and masks as iptables reads and prints them.
enum IptablesAddress {
  /// An address in numbers, or nil.
  static func parse(_ text: String, _ family: RuleFamily) -> UInt128? {
    switch family {
    case .ipv4: IPv4Address(text).map { UInt128($0.rawValue) }
    case .ipv6: IPv6Address(text)?.rawValue
    }
  }

  /// The text of an address.
  static func text(_ address: UInt128, _ family: RuleFamily) -> String {
    switch family {
    case .ipv4: IPv4Address(rawValue: UInt32(truncatingIfNeeded: address)).description
    case .ipv6: IPv6Address(rawValue: address).description
    }
  }

  /// The number of leading ones of a mask, or nil if it has holes.
  static func prefixLength(_ mask: UInt128, _ family: RuleFamily) -> Int? {
    let shifted = family == .ipv4 ? mask << 96 : mask
    let length = (~shifted).leadingZeroBitCount
    guard length <= family.addressBits else { return family.addressBits }
    return shifted == mask128(length) ? length : nil
  }

  /// The mask of a length.
  static func mask(length: Int, _ family: RuleFamily) -> UInt128 {
    family == .ipv4 ? mask128(length) >> 96 : mask128(length)
  }

  private static func mask128(_ length: Int) -> UInt128 {
    length <= 0 ? 0 : length >= 128 ? .max : UInt128.max << UInt128(128 - length)
  }

  /// `ADDRESS/LENGTH`, or `ADDRESS/MASK` if the mask has holes.
  static func prefixText(_ match: AddressMatch, _ family: RuleFamily) -> String {
    let address = text(match.address, family)
    if let length = prefixLength(match.mask, family) { return "\(address)/\(length)" }
    return "\(address)/\(text(match.mask, family))"
  }

  /// The mask behind an address in a listing: nothing for a whole address, nothing for a whole
  /// mask.
  static func maskSuffix(_ mask: UInt128, _ family: RuleFamily) -> String {
    guard mask != family.fullMask else { return "" }
    if let length = prefixLength(mask, family) { return "/\(length)" }
    return "/\(text(mask, family))"
  }

  /// The names that /etc/hosts and /etc/networks have for an address.
  static func name(_ address: UInt128, mask: UInt128, _ family: RuleFamily) -> String? {
    switch family {
    case .ipv4:
      if mask == family.fullMask { return address == 0x7f00_0001 ? "localhost" : nil }
      // Names of networks, which getnetbyaddr finds by the leading bytes.
      switch address {
      case 0x7f00_0000: return "loopback"
      case 0xa9fe_0000: return "link-local"
      case 0: return "default"
      default: return nil
      }
    case .ipv6: return nil
    }
  }

  /// The address, or its name, and mask as a listing shows them.
  static func listed(_ match: AddressMatch?, numeric: Bool, _ family: RuleFamily) -> String {
    // In IPv6 the address of no bits is any address, whatever the mask.
    let isAny = family == .ipv6 && match?.address == 0 && match?.inverted == false
    guard let match, match.mask != 0 || match.inverted && match.address != 0, !isAny else {
      if !numeric { return "anywhere" }
      return family == .ipv4 ? "0.0.0.0/0" : "::/0"
    }
    let suffix = maskSuffix(match.mask, family)
    if !numeric, let name = name(match.address, mask: match.mask, family) { return name + suffix }
    return text(match.address, family) + suffix
  }

  /// A mask in numbers: a length or an address; nil if it is neither.
  static func parseMask(_ text: String, _ family: RuleFamily) -> UInt128? {
    if text.contains(".") || text.contains(":") { return parse(text, family) }
    guard let length = IptablesNumber.parse(text), length <= UInt64(family.addressBits) else {
      return nil
    }
    return mask(length: Int(length), family)
  }

  /// Reads `ADDRESS[/MASK][,…]`, numbers or names, as `-s` and `-d` have it.
  static func parseList(
    _ text: String,
    inverted: Bool,
    _ family: RuleFamily,
    resolve: (String) -> [UInt128]
  ) throws(IptablesFailure) -> [AddressMatch] {
    var list: [AddressMatch] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      var rest = part
      while rest.first == " " { rest = rest.dropFirst() }
      var name = rest[...]
      var mask = family.fullMask
      if let slash = rest.lastIndex(of: "/") {
        name = rest[..<slash]
        let maskText = String(rest[rest.index(after: slash)...])
        guard let read = parseMask(maskText, family) else {
          throw .parameter("invalid mask `\(maskText)' specified")
        }
        mask = read
      }
      for address in try addresses(String(name), mask: mask, family, resolve: resolve) {
        let match = AddressMatch(address: address, mask: mask, inverted: inverted)
        // Names that resolve to the same network make one rule.
        if !list.contains(match) || list.isEmpty { list.append(match) }
      }
    }
    return list
  }

  private static func addresses(
    _ name: String,
    mask: UInt128,
    _ family: RuleFamily,
    resolve: (String) -> [UInt128]
  ) throws(IptablesFailure) -> [UInt128] {
    // With a mask of no bits every address is as good, so that none is looked up.
    if mask == 0 { return [0] }
    if let address = parse(name, family) { return [address] }
    if family == .ipv4, let padded = paddedAddress(name) { return [padded] }
    let found = resolve(name)
    guard !found.isEmpty else { throw .parameter("host/network `\(name)' not found") }
    var seen: Set<UInt128> = []
    return found.filter { seen.insert($0 & mask).inserted }
  }

  /// Reads `10`, `10.1` and `10.1.2` as the beginnings of an address.
  private static func paddedAddress(_ text: String) -> UInt128? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count < 4 else { return nil }
    var address: UInt128 = 0
    for part in parts {
      guard !part.isEmpty, part.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
        let byte = UInt8(part)
      else { return nil }
      address = address << 8 | UInt128(byte)
    }
    return address << UInt128(8 * (4 - parts.count))
  }
}
