import Testing

/// The counting of oracle cases itself.
@Suite struct OracleTests {
  @Test func theListOfKnownCasesIsWellFormed() {
    #expect(Oracles.known.mistakes == [])
  }

  @Test func aListedFailureIsKnownAndAnotherIsNot() {
    let known = KnownCases(parsing: "# heading\na/b.json\tone\tnot modelled\na/b.json\ttwo\tso\n")
    var tally = OracleTally("a/b.json", known: known)
    tally.note("one", .fail("wrong"))
    tally.check("two") { nil }
    tally.check("three") { "wrong" }
    tally.note("four", .skip("IPv6"))
    tally.note("five", .skip("IPv6"))
    #expect(tally.unexpected == ["three"])
    #expect(
      tally.summary == "oracle a/b.json: 1 of 5 pass, 1 known, 2 skipped (2 IPv6), 1 FAIL"
    )
  }

  @Test func aLineWithoutAReasonIsAMistake() {
    let known = KnownCases(parsing: "a/b.json\tone\na/b.json\ttwo\t?\na/b\tx\ty\na/b\tx\tz\n")
    #expect(known.mistakes.count == 3)
    #expect(known.reason("one", of: "a/b.json") == nil)
  }

  @Test func aBodyThatThrowsFailsItsCase() {
    var tally = OracleTally("a/b.json", known: KnownCases(parsing: ""))
    tally.check("one") { throw OracleError.unreadable("a/b.json", "gone") }
    #expect(tally.unexpected == ["one"])
  }
}
