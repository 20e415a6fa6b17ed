/// The fields of a packet by which an index finds rules: how much of each address and port counts.
struct KeyShape: Hashable {
  /// The lengths of the prefixes of both addresses; 0 for an address that does not count.
  var destinationLength: UInt8 = 0
  var sourceLength: UInt8 = 0
  /// How many leading bits of the ports count.
  var destinationPortBits: UInt8 = 0
  var sourcePortBits: UInt8 = 0
  var hasInput = false
  var hasOutput = false

  var isEmpty: Bool { rawValue == 0 }

  /// All fields in one number, for hashing and for an order that never changes.
  var rawValue: UInt64 {
    UInt64(destinationLength) << 32 | UInt64(sourceLength) << 24
      | UInt64(destinationPortBits) << 16 | UInt64(sourcePortBits) << 8
      | (hasInput ? 2 : 0) | (hasOutput ? 1 : 0)
  }

  static func == (a: Self, b: Self) -> Bool { a.rawValue == b.rawValue }

  func hash(into hasher: inout Hasher) { hasher.combine(rawValue) }

  /// A shape that more rules share, still able to find what this one finds.
  ///
  /// The first round rounds prefixes down, the second keeps one field only.
  func coarser(round: Int) -> KeyShape {
    var shape = self
    shape.destinationLength = Self.rounded(destinationLength)
    shape.sourceLength = Self.rounded(sourceLength)
    if round == 1 {
      if shape.destinationLength != 0 || destinationPortBits != 0 { shape.sourcePortBits = 0 }
      return shape
    }
    var single = KeyShape()
    if shape.destinationLength != 0 {
      single.destinationLength = shape.destinationLength
    } else if shape.sourceLength != 0 {
      single.sourceLength = shape.sourceLength
    } else if destinationPortBits != 0 {
      single.destinationPortBits = destinationPortBits
    } else if sourcePortBits != 0 {
      single.sourcePortBits = sourcePortBits
    } else if hasInput {
      single.hasInput = true
    } else {
      single.hasOutput = hasOutput
    }
    return single
  }

  private static func rounded(_ length: UInt8) -> UInt8 { length & ~7 }

  /// How many leading bits of a port tell the members of some ranges well enough: as many as
  /// possible, as long as few blocks of ports cover the ranges.
  ///
  /// 0 if none do.
  static func portBits(of ranges: [ClosedRange<UInt16>]) -> UInt8 {
    for bits: UInt8 in [16, 12, 8, 4] {
      let shift = 16 - bits
      let count = ranges.reduce(0) { $0 + Int($1.upperBound >> shift - $1.lowerBound >> shift) + 1 }
      if count <= 16 { return bits }
    }
    return 0
  }

  /// The first ports of the blocks that cover some ranges.
  static func blocks(of ranges: [ClosedRange<UInt16>], bits: UInt8) -> [UInt16] {
    guard bits > 0 else { return [0] }
    let shift = 16 - bits
    return ranges.flatMap { range in
      (range.lowerBound >> shift...range.upperBound >> shift).map { $0 << shift }
    }
  }
}

/// What of a rule an index can use: its shape, and the ports that it accepts.
struct RuleKeys {
  var shape = KeyShape()
  var destinationPorts: [ClosedRange<UInt16>] = []
  var sourcePorts: [ClosedRange<UInt16>] = []

  /// Reads a compiled rule and those of its matches that stand before any that keeps state.
  init(_ rule: CompiledRule, _ matches: ArraySlice<Match>) {
    let flags = rule.flags
    if !flags.contains(.invertDestination) {
      shape.destinationLength = UInt8((~rule.destinationMask).leadingZeroBitCount)
    }
    if !flags.contains(.invertSource) {
      shape.sourceLength = UInt8((~rule.sourceMask).leadingZeroBitCount)
    }
    shape.hasInput = flags.contains(.input) && flags.isDisjoint(with: [.invertInput, .inputPrefix])
    shape.hasOutput =
      flags.contains(.output) && flags.isDisjoint(with: [.invertOutput, .outputPrefix])
    if flags.contains(.ports) {
      if !flags.contains(.invertDestinationPort) {
        note(rule.destinationPorts.first, rule.destinationPorts.last, in: &destinationPorts)
      }
      if !flags.contains(.invertSourcePort) {
        note(rule.sourcePorts.first, rule.sourcePorts.last, in: &sourcePorts)
      }
    }
    for match in matches {
      if match.isOrdered { break }
      switch match {
      case .multiport(let wanted) where !wanted.inverted:
        if wanted.side == .destination, destinationPorts.isEmpty {
          destinationPorts = wanted.ports
        } else if wanted.side == .source, sourcePorts.isEmpty {
          sourcePorts = wanted.ports
        }
      case .tcp(let wanted): note(wanted.source, wanted.destination)
      default: break
      }
    }
    if !destinationPorts.isEmpty {
      shape.destinationPortBits = KeyShape.portBits(of: destinationPorts)
    }
    if !sourcePorts.isEmpty { shape.sourcePortBits = KeyShape.portBits(of: sourcePorts) }
    // One rule must not stand under hundreds of keys.
    if destinationPorts.count > 1 && shape.destinationPortBits != 0
      || shape.destinationPortBits != 0 && destinationPorts.first?.count != 1
    {
      shape.sourcePortBits = 0
    }
  }

  private mutating func note(_ source: PortMatch?, _ destination: PortMatch?) {
    if let source, !source.inverted, sourcePorts.isEmpty {
      note(source.first, source.last, in: &sourcePorts)
    }
    if let destination, !destination.inverted, destinationPorts.isEmpty {
      note(destination.first, destination.last, in: &destinationPorts)
    }
  }

  private func note(_ first: UInt16, _ last: UInt16, in ports: inout [ClosedRange<UInt16>]) {
    guard first <= last, first != 0 || last != .max else { return }
    ports = [first...last]
  }
}
