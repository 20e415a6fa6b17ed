import HopyardWire

/// An IPv4 prefix as iproute2 reads it.
struct IproutePrefix: Equatable, Sendable {
  /// The address, host bits included.
  var address: IPv4Address
  /// The length; 32 if none was given.
  var length: Int
  /// Whether a length was given.
  var hasLength = false

  /// Everything.
  static let any = IproutePrefix(address: .any, length: 0)

  /// The mask of the length.
  var mask: UInt32 { IPv4Prefix.mask(length: length).rawValue }

  /// Reads `default`, `any`, `all`, `ADDRESS`, `ADDRESS/LENGTH` or `ADDRESS/MASK`.
  init?(_ text: String) {
    if text == "default" || text == "any" || text == "all" {
      self = .any
      return
    }
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let first = parts.first, let address = IPv4Address.leadingOctets(String(first)) else {
      return nil
    }
    self.init(address: address, length: 32)
    guard parts.count > 1 else { return }
    hasLength = true
    let tail = String(parts[1])
    if let number = IprouteNames.number(tail) {
      guard number <= 32 else { return nil }
      length = Int(number)
    } else if let mask = IPv4Address(tail), let prefix = IPv4Prefix(.any, mask: mask) {
      length = prefix.length
    } else {
      return nil
    }
  }

  init(address: IPv4Address, length: Int) {
    self.address = address
    self.length = length
  }

  /// Whether a word looks like something of IPv6.
  static func isIPv6(_ text: String) -> Bool {
    text.contains(":")
      && IPv6Address(String(text.split(separator: "/").first ?? "")) != nil
  }
}

extension IpArguments {
  /// Takes the value of a keyword as a prefix, or ends the call.
  ///
  /// `isInet` says whether the family is known to be IPv4, which shows in the error only.
  mutating func prefix(isInet: Bool = false) throws(ProcessExit) -> IproutePrefix {
    let text = try value()
    guard let prefix = IproutePrefix(text) else { throw badPrefix(text, isInet: isInet) }
    return prefix
  }

  /// Takes the value of a keyword as an address, or ends the call.
  mutating func address(isInet: Bool = true) throws(ProcessExit) -> IPv4Address {
    let text = try value()
    guard let address = IPv4Address.leadingOctets(text) else {
      if IproutePrefix.isIPv6(text) { throw .refused("IPv6 is not modelled") }
      throw fail(
        "Error: \(isInet ? "inet" : "any valid") address is expected rather than \"\(text)\".\n",
        1
      )
    }
    return address
  }

  /// Says that a word is no prefix.
  func badPrefix(_ text: String, isInet: Bool = false) -> ProcessExit {
    if IproutePrefix.isIPv6(text) { return .refused("IPv6 is not modelled") }
    return fail(
      "Error: \(isInet ? "inet" : "any valid") prefix is expected rather than \"\(text)\".\n",
      1
    )
  }

  /// Takes a number, or ends the call with `"NAME" value is invalid`.
  mutating func number(
    _ name: String,
    limit: UInt64 = UInt64(UInt32.max)
  ) throws(ProcessExit) -> UInt32 {
    let text = try value()
    guard let number = IprouteNames.number(text, limit: limit) else {
      throw wrong(text, "\"\(name)\" value is invalid\n")
    }
    return UInt32(truncatingIfNeeded: number)
  }
}
