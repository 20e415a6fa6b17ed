import HopyardSimulator

extension ECNTarget {
  var saved: String {
    if removesTCP { return " --ecn-tcp-remove" }
    return (echo.map { " --ecn-tcp-ece \($0 ? 1 : 0)" } ?? "")
      + (reduced.map { " --ecn-tcp-cwr \($0 ? 1 : 0)" } ?? "")
      + (codepoint.map { " --ecn-ip-ect \($0)" } ?? "")
  }

  var listed: String {
    if removesTCP { return " ECN TCP remove" }
    return " ECN" + (echo.map { " ECE=\($0 ? 1 : 0)" } ?? "")
      + (reduced.map { " CWR=\($0 ? 1 : 0)" } ?? "")
      + (codepoint.map { " ECT codepoint=\($0)" } ?? "")
  }
}

extension HashMarkTarget {
  private var words: [(Fields, String, value: String, listed: String)] {
    [
      (.sourceMask, "src-prefix", "\(sourceLength)", "\(sourceLength)"),
      (.destinationMask, "dst-prefix", "\(destinationLength)", "\(destinationLength)"),
      (
        .sourcePortMask, "sport-mask", hexadecimal(sourcePortMask, width: 4),
        hexadecimal(sourcePortMask)
      ),
      (
        .destinationPortMask, "dport-mask", hexadecimal(destinationPortMask, width: 4),
        hexadecimal(destinationPortMask)
      ),
      (.spiMask, "spi-mask", hexadecimal(spiMask, width: 8), hexadecimal(spiMask)),
      (.sourcePort, "sport", hexadecimal(sourcePort, width: 4), hexadecimal(sourcePort)),
      (
        .destinationPort, "dport", hexadecimal(destinationPort, width: 4),
        hexadecimal(destinationPort)
      ), (.spi, "spi", hexadecimal(spi, width: 8), hexadecimal(spi)),
      (.protocolMask, "proto-mask", hexadecimal(protocolMask, width: 2), hexadecimal(protocolMask)),
    ]
  }

  var saved: String {
    var text = ""
    for word in words where fields.contains(word.0) { text += " --hmark-\(word.1) \(word.value)" }
    text += " --hmark-rnd " + hexadecimal(seed, width: 8) + " --hmark-mod \(modulus)"
    if offset != 0 { text += " --hmark-offset \(offset)" }
    return text + (fields.contains(.connection) ? " --hmark-tuple ct" : "")
  }

  var listed: String {
    var text = " HMARK mod \(modulus)"
    if offset != 0 { text += " + " + hexadecimal(offset) }
    if fields.contains(.connection) { text += " ct," }
    for word in words where fields.contains(word.0) { text += " \(word.1) \(word.listed)" }
    return text + " rnd " + hexadecimal(seed) + " "
  }
}

extension IdleTimerTarget {
  var saved: String {
    " --timeout \(timeout) --label \(label)" + (isAlarm ? " --alarm" : "")
  }

  var listed: String { " timeout:\(timeout) label:\(label)" + (isAlarm ? " alarm" : "") }
}

extension LEDTarget {
  var saved: String {
    " --led-trigger-id \"\(QuotedText.escaped(trigger))\""
      + (delay.map { $0 == 0 ? "" : " --led-delay \($0)" } ?? " --led-delay inf")
      + (alwaysBlinks ? " --led-always-blink" : "")
  }

  var listed: String {
    " led-trigger-id:\"\(QuotedText.escaped(trigger))\""
      + (delay.map { $0 == 0 ? "" : " led-delay:\($0)ms" } ?? " led-delay:inf")
      + (alwaysBlinks ? " led-always-blink" : "")
  }
}

extension RateEstimatorTarget {
  /// A time of so many microseconds, in the unit that suits it.
  private static func time(_ microseconds: UInt64) -> String {
    let number = Double(microseconds)
    func text(_ value: Double) -> String {
      let tenths = Int64((value * 10).rounded(.toNearestOrEven))
      return "\(tenths / 10).\(tenths % 10)"
    }
    if number >= 1e6 { return text(number / 1e6) + "s" }
    if number >= 1e3 { return text(number / 1e3) + "ms" }
    return "\(microseconds)us"
  }

  private var intervalTime: UInt64 { 250_000 << UInt64(min(max(0, Int(interval) + 2), 5)) }

  private var weightTime: UInt64 { intervalTime << UInt64(min(logarithm, 30)) }

  var saved: String {
    " --rateest-name \(name) --rateest-interval \(Self.time(intervalTime))"
      + " --rateest-ewmalog \(Self.time(weightTime))"
  }

  var listed: String {
    " name \(name) interval \(Self.time(intervalTime)) ewmalog \(Self.time(weightTime))"
  }
}

extension SynproxyTarget {
  private func text(_ prefix: String) -> String {
    (permitsSACK ? prefix + "sack-perm" : "") + (usesTimestamps ? prefix + "timestamp" : "")
      + (windowScale.map { "\(prefix)wscale \($0)" } ?? "")
      + (segmentSize.map { "\(prefix)mss \($0)" } ?? "") + (usesECN ? prefix + "ecn" : "")
  }

  var saved: String { text(" --") }

  var listed: String { " SYNPROXY" + text(" ") }
}

extension PrefixTarget {
  private func text(_ prefix: String) -> String {
    "\(prefix)src-pfx \(IptablesAddress.text(source, .ipv6))/\(sourceLength)"
      + "\(prefix)dst-pfx \(IptablesAddress.text(destination, .ipv6))/\(destinationLength)"
  }

  var saved: String { text(" --") }

  func listed(_ name: String) -> String { " \(name)" + text(" ") }
}

extension TCPOptionSet {
  /// The names of options that TCPOPTSTRIP knows.
  static let names: [(String, UInt8)] = [
    ("wscale", 3), ("mss", 2), ("sack-permitted", 4), ("sack", 5), ("timestamp", 8), ("md5", 19),
  ]

  var saved: String {
    kinds.isEmpty ? "" : " --strip-options " + kinds.map { "\($0)" }.joined(separator: ",")
  }

  func listed(numeric: Bool) -> String {
    guard !kinds.isEmpty else { return "" }
    let words = kinds.map { kind in
      (numeric ? nil : Self.names.first { $0.1 == kind }?.0) ?? "\(kind)"
    }
    return " TCPOPTSTRIP options " + words.joined(separator: ",")
  }
}
