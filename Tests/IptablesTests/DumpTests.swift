import HopyardSimulator
import Testing

@testable import HopyardUserland

@Suite struct DumpTests {
  /// A bench that has taken all rules of the sessions that it can take.
  private func filledBench() throws -> RuleBench {
    let bench = RuleBench()
    for name in ["packet-matches", "more-matches", "targets"] {
      // The real programs forget the quotes around a list's name with a space in it.
      for entry in try Session(named: name).entries where !entry.command.contains("--name 'a b'") {
        _ = bench.run(RuleBench.words(entry.command))
      }
    }
    return bench
  }

  private func dump(_ bench: RuleBench) -> String {
    bench.run(["iptables-save", "-c"]).output
  }

  @Test func `saving, restoring and saving again gives the same dump`() throws {
    let bench = try filledBench()
    let text = dump(bench)
    #expect(text.split(separator: "\n").count > 200)
    let second = RuleBench()
    let result = second.run(["iptables-restore", "-c"], input: text)
    #expect(result.status == 0, "\(result.errors)")
    #expect(dump(second) == text)
  }

  @Test func `a dump that fails changes nothing`() {
    let bench = RuleBench()
    _ = bench.run(RuleBench.words("iptables -A INPUT -s 10.0.0.1 -j DROP"))
    let before = dump(bench)
    let text = "*filter\n:INPUT DROP [0:0]\n:web - [0:0]\n-A INPUT -j web\n-A web -j web\nCOMMIT\n"
    #expect(bench.run(["iptables-restore"], input: text).status == 4)
    #expect(dump(bench) == before)
    #expect(bench.run(["iptables-restore", "-n"], input: text).status == 4)
    #expect(dump(bench) == before)
  }

  @Test func `chains nested very deep are refused without a trap`() {
    var text = "*filter\n"
    for index in 0..<3000 { text += ":c\(index) - [0:0]\n" }
    for index in 0..<2999 { text += "-A c\(index) -j c\(index + 1)\n" }
    text += "-A INPUT -j c0\nCOMMIT\n"
    let bench = RuleBench()
    #expect(bench.run(["iptables-legacy-restore"], input: text).status == 0)
    #expect(bench.run(["iptables-nft-restore"], input: text).status == 4)
  }

  @Test func `two thousand mutated dumps never trap`() throws {
    let base = Array(dump(try filledBench()).utf8)
    let lines = base.split(separator: 0x0a)
    var state: UInt64 = 42
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(max(1, bound)))
    }
    for round in 0..<2000 {
      let start = random(lines.count)
      var bytes = Array("*\(["filter", "nat", "mangle", "raw"][random(4)])\n".utf8)
      for line in lines[start..<min(lines.count, start + 1 + random(12))] {
        bytes += line + [0x0a]
      }
      bytes += Array("COMMIT\n".utf8)
      for _ in 0...random(6) {
        let place = random(bytes.count)
        switch random(4) {
        case 0: bytes[place] = UInt8(random(256))
        case 1: bytes.remove(at: place)
        case 2:
          bytes.insert(contentsOf: "!-:/, []\"9".utf8.dropFirst(random(10)).prefix(1), at: place)
        default: bytes.swapAt(place, random(bytes.count))
        }
        if bytes.isEmpty { bytes = [0x0a] }
      }
      let bench = RuleBench()
      let text = String(decoding: bytes, as: UTF8.self)
      for variant in ["nft", "legacy"] {
        let result = bench.run(["iptables-\(variant)-restore", "-c"], input: text)
        guard result.status == 0, result.refusal == nil else { continue }
        let saved = bench.run(["iptables-\(variant)-save", "-c"]).output
        let again = RuleBench()
        _ = again.run(["iptables-\(variant)-restore", "-c"], input: saved)
        _ = bench.run(["iptables-\(variant)", "-L", "-v"])
        #expect(again.run(["iptables-\(variant)-save", "-c"]).status == 0, "\(round)")
      }
    }
  }
}
