// Written by make_vectors.py. Do not edit.
// swift-format-ignore-file

/// A message as Google's Python protobuf has it: its name, its bytes in hexadecimal, its JSON.
struct Vector: Sendable {
    let name: String
    let hex: String
    let json: String
}

extension Vector {
    static let emptyScalars = Vector(name: "trellis.fixture.v1.Scalars",
        hex: "",
        json: #"{}"#)

    static let highScalars = Vector(name: "trellis.fixture.v1.Scalars",
        hex: "09355800662deb417e150000803e18ffffffff0720ffffffffffffffff7f28ffffffff0f30ffffffffffffffffff0138feffffff0f40feffffffffffffffff014dffffffff51ffffffffffffffff5dffffff7f61ffffffffffffff7f6801721141686f6a2c20e4b896e7958c20f09f98807a8002000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff800102",
        json: #"{"aDouble": 1.5e+300, "aFloat": 0.25, "anInt32": 2147483647, "anInt64": "9223372036854775807", "aUint32": 4294967295, "aUint64": "18446744073709551615", "aSint32": 2147483647, "aSint64": "9223372036854775807", "aFixed32": 4294967295, "aFixed64": "18446744073709551615", "anSfixed32": 2147483647, "anSfixed64": "9223372036854775807", "aBool": true, "aString": "Ahoj, 世界 😀", "someBytes": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0BBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWltcXV5fYGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fn+AgYKDhIWGh4iJiouMjY6PkJGSk5SVlpeYmZqbnJ2en6ChoqOkpaanqKmqq6ytrq+wsbKztLW2t7i5uru8vb6/wMHCw8TFxsfIycrLzM3Oz9DR0tPU1dbX2Nna29zd3t/g4eLj5OXm5+jp6uvs7e7v8PHy8/T19vf4+fr7/P3+/w==", "color": "COLOR_DEEP_BLUE"}"#)

    static let lowScalars = Vector(name: "trellis.fixture.v1.Scalars",
        hex: "09355800662deb41fe15000080be1880808080f8ffffffff012080808080808080808001280130800138ffffffff0f40ffffffffffffffffff014d010000005102000000000000005d0000008061000000000000008068017228616161616161616161616161616161616161616161616161616161616161616161616161616161617a8002000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff8001ffffffffffffffffff01",
        json: #"{"aDouble": -1.5e+300, "aFloat": -0.25, "anInt32": -2147483648, "anInt64": "-9223372036854775808", "aUint32": 1, "aUint64": "128", "aSint32": -2147483648, "aSint64": "-9223372036854775808", "aFixed32": 1, "aFixed64": "2", "anSfixed32": -2147483648, "anSfixed64": "-9223372036854775808", "aBool": true, "aString": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "someBytes": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0BBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWltcXV5fYGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fn+AgYKDhIWGh4iJiouMjY6PkJGSk5SVlpeYmZqbnJ2en6ChoqOkpaanqKmqq6ytrq+wsbKztLW2t7i5uru8vb6/wMHCw8TFxsfIycrLzM3Oz9DR0tPU1dbX2Nna29zd3t/g4eLj5OXm5+jp6uvs7e7v8PHy8/T19vf4+fr7/P3+/w==", "color": "COLOR_BLACK"}"#)

    static let lists = Vector(name: "trellis.fixture.v1.Lists",
        hex: "0a180000000000000000000000000000f83f00000000000000c0120d00ffffffffffffffffff01ac021a0b0180808080808080808001220807000000080000002a030100013200320374776f3203e4b8893a003a0200ff420d0001ffffffffffffffffff014d4a004af70209355800662deb417e150000803e18ffffffff0720ffffffffffffffff7f28ffffffff0f30ffffffffffffffffff0138feffffff0f40feffffffffffffffff014dffffffff51ffffffffffffffff5dffffff7f61ffffffffffffff7f6801721141686f6a2c20e4b896e7958c20f09f98807a8002000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff80010252070a036f6e65100152100a0374776f10fbffffffffffffffff015a0c0a0178120772056e616d6564",
        json: #"{"doubles": [0.0, 1.5, -2.0], "int32s": [0, -1, 300], "sint64s": ["-1", "4611686018427387904"], "fixed32s": [7, 8], "bools": [true, false, true], "strings": ["", "two", "三"], "byteStrings": ["", "AP8="], "colors": ["COLOR_UNSPECIFIED", "COLOR_RED", "COLOR_BLACK", 77], "messages": [{}, {"aDouble": 1.5e+300, "aFloat": 0.25, "anInt32": 2147483647, "anInt64": "9223372036854775807", "aUint32": 4294967295, "aUint64": "18446744073709551615", "aSint32": 2147483647, "aSint64": "9223372036854775807", "aFixed32": 4294967295, "aFixed64": "18446744073709551615", "anSfixed32": 2147483647, "anSfixed64": "9223372036854775807", "aBool": true, "aString": "Ahoj, 世界 😀", "someBytes": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0BBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWltcXV5fYGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fn+AgYKDhIWGh4iJiouMjY6PkJGSk5SVlpeYmZqbnJ2en6ChoqOkpaanqKmqq6ytrq+wsbKztLW2t7i5uru8vb6/wMHCw8TFxsfIycrLzM3Oz9DR0tPU1dbX2Nna29zd3t/g4eLj5OXm5+jp6uvs7e7v8PHy8/T19vf4+fr7/P3+/w==", "color": "COLOR_DEEP_BLUE"}], "counts": {"one": "1", "two": "-5"}, "named": {"x": {"aString": "named"}}}"#)

    static let noPresence = Vector(name: "trellis.fixture.v1.Presence",
        hex: "",
        json: #"{}"#)

    static let zeroPresence = Vector(name: "trellis.fixture.v1.Presence",
        hex: "0800120018002200280032003a00",
        json: #"{"number": 0, "text": "", "flag": false, "data": "", "color": "COLOR_UNSPECIFIED", "message": {}, "name": ""}"#)

    static let scalarsPresence = Vector(name: "trellis.fixture.v1.Presence",
        hex: "08ffffffffffffffffff01120174180122016428014a026801",
        json: #"{"number": -1, "text": "t", "flag": true, "data": "ZA==", "color": "COLOR_RED", "scalars": {"aBool": true}}"#)

    static let rawPresence = Vector(name: "trellis.fixture.v1.Presence",
        hex: "52020100",
        json: #"{"raw": "AQA="}"#)

    static let shadePresence = Vector(name: "trellis.fixture.v1.Presence",
        hex: "58ffffffffffffffffff01",
        json: #"{"shade": "COLOR_BLACK"}"#)

    static let idPresence = Vector(name: "trellis.fixture.v1.Presence",
        hex: "408180808080808010",
        json: #"{"id": "9007199254740993"}"#)

    static let tree = Vector(name: "trellis.fixture.v1.Tree",
        hex: "0a04726f6f7412090a016112040a0261311200",
        json: #"{"name": "root", "children": [{"name": "a", "children": [{"name": "a1"}]}, {}]}"#)

    static let odd = Vector(name: "trellis.fixture.v1.Odd",
        hex: "0a016410031a0174221008ffffffffffffffffff0110c096b1022a1608fdffffffffffffffff011080b6ca91feffffffff01321a0a0c646973706c61795f6e616d650a0a696e6e65722e6b696e643a020801420468757368a21f0175",
        json: #"{"default": "d", "in": 3, "tenantId": "t", "createTime": "1969-12-31T23:59:59.005Z", "timeout": "-3.500s", "updateMask": "displayName,inner.kind", "inner": {"kind": "KIND_GOOD"}, "password": "hush", "apiKeyUrl": "u"}"#)

    static let all = [emptyScalars, highScalars, lowScalars, lists, noPresence, zeroPresence, scalarsPresence, rawPresence, shadePresence, idPresence, tree, odd]
}
