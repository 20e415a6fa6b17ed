/// A sed script, read.
struct SedScript {
  enum Address {
    case line(Int)
    case last
    case pattern(RegularExpression)
    case step(Int, Int)
    case count(Int)
  }

  enum Part {
    case text([UInt8])
    case group(Int)
    case upper, lower, upperNext, lowerNext, plain
  }

  indirect enum Verb {
    case group([Instruction])
    case substitute(RegularExpression?, [Part], isGlobal: Bool, prints: Bool, number: Int)
    case translate([UInt8])
    case print
    case delete
    case quit(Int32, isSilent: Bool)
    case number
    case append([UInt8])
    case insert([UInt8])
    case change([UInt8])
  }

  struct Instruction {
    var first: Address?
    var second: Address?
    var isNegated = false
    var verb: Verb
    var id: Int
  }

  let instructions: [Instruction]
  /// Whether it matters to the script which line is the last.
  let needsLast: Bool

  init(_ script: [UInt8], isExtended: Bool) throws(SedError) {
    var parser = SedParser(script, isExtended: isExtended)
    instructions = try parser.parse(inGroup: false)
    needsLast = parser.needsLast
  }
}
