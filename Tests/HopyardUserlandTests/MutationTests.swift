import HopyardSimulator
import HopyardUserland
import Testing

/// Labs that nobody would write: cut, shuffled and filled with noise.
struct MutationTests {
  private static let noise = [
    "$(", "`", "${", "}", "((", "))", "$((", "'", "\"", "\\", "\n", ";", "&", "|", "<<E", "<<<",
    ">", "<",
    "{", "(", ")", "for i in ", "do ", "done", "if ", "then ", "fi", "case x in ", "esac",
    "while :; do ",
    "{1..99}", "{a,b}", "*", "[[", "]]", "!", "\u{0}", "é", "\t", "2>&1", "$x", "a=", "&&", "||",
    "[a", "-n",
    "9999999999999999999", "sed 's/", "awk '{", "grep '", "printf %", "kill ", "sleep 99 &",
    "exec ",
  ]

  @Test(arguments: 0..<20)
  func `a mutated lab is refused or ends`(_ seed: Int) {
    var random = RandomSource(seed: UInt64(seed), stream: "mutations")
    let scripts = BashCase.all.map { Array($0.script.utf8) }
    for _ in 0..<100 {
      var bytes = scripts[Int(random.below(UInt64(scripts.count)))]
      for _ in 0...random.below(6) {
        let place = Int(random.below(UInt64(bytes.count + 1)))
        switch random.below(4) {
        case 0:
          let end = min(bytes.count, place + Int(random.below(20)))
          bytes.removeSubrange(place..<end)
        case 1:
          let other = scripts[Int(random.below(UInt64(scripts.count)))]
          let start = Int(random.below(UInt64(other.count)))
          bytes.insert(contentsOf: other[start..<min(other.count, start + 40)], at: place)
        case 2:
          if place < bytes.count { bytes[place] = UInt8(truncatingIfNeeded: random.next()) }
        default:
          let word = Self.noise[Int(random.below(UInt64(Self.noise.count)))]
          bytes.insert(contentsOf: word.utf8, at: place)
        }
      }
      let text = String(decoding: bytes, as: UTF8.self)
      let result = runShell(text, seconds: 60)
      if case .refused(let problem) = result.ending {
        #expect(problem.location.line >= 1 && problem.location.column >= 1)
      }
    }
  }

  @Test(arguments: [
    "(", "{ ", "$(", "\"$(", "${a:-", "$((", "if ", "while ", "case x in (", "!", "f() ", "[[ ! ",
    "{a,",
  ])
  func `deep nesting is refused`(_ opening: String) {
    let text = String(repeating: opening, count: 20_000)
    #expect(!checkShell("echo " + text).isEmpty || !checkShell(text).isEmpty)
  }
}
