import HTTP2
import Testing

@Suite("Header fields")
struct HeaderFieldsTests {
    @Test("fields come back as they went in, beyond every first capacity")
    func order() {
        var fields = HeaderFields()
        for index in 0..<500 { fields.append("name-\(index % 50)", String(repeating: "v", count: index)) }
        #expect(fields.count == 500)
        for index in 0..<500 {
            #expect(fields.field(at: index) == ("name-\(index % 50)", String(repeating: "v", count: index)))
        }
        #expect(fields.firstIndex(of: "name-7") == 7)
        #expect(fields.first("name-3") == "vvv")
        #expect(fields.first("name-50") == nil)
        #expect(fields.firstIndex(of: "") == nil)
    }

    @Test("the size of a list counts 32 bytes a field")
    func size() {
        var fields = HeaderFields()
        #expect(fields.listSize == 0)
        fields.append("ab", "cde")
        fields.append("", "")
        #expect(fields.listSize == 5 + 64)
    }

    @Test("a copy does not see later changes")
    func copies() {
        var one = HeaderFields()
        one.append("a", "1")
        var two = one
        two.append("b", "2")
        one.append("c", "3")
        #expect(one.count == 2 && two.count == 2)
        #expect(one.first("b") == nil)
        #expect(two.first("c") == nil)
    }
}
