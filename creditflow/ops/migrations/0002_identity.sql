-- Identifier rules, written forms and masks in SQL: the twins of creditflow/identity, name by name, answer by answer.
-- All are immutable and parallel safe and read no table. They run over millions of rows: straight-line arithmetic on
-- bytes (half a microsecond for a check sum), never a loop over characters. null in, null out.
-- Sources: domain page 02 (GB 32100-2015, GB 11714, GS 15-2006, GB 11643-1999), page 01 section 6, page 11 section 3.

create function ops.uscc_check(code text) returns text
language plpgsql immutable strict parallel safe as $$
declare
    b constant bytea := convert_to(code, 'UTF8');
    v constant bytea := -- value of each byte in the alphabet, ff outside it
        '\xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff'
        '00010203040506070809ffffffffffffff0a0b0c0d0e0f1011ff1213141516ff171819ff1a1bff1c1d1effffffffffff'
        'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff'
        'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff'
        'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff'
        'ffffffffffffffffffffffffffffffff';
    d constant bytea := -- the same, digits only: the region
        '\xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff'
        '00010203040506070809ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff'
        'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff'
        'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff'
        'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff'
        'ffffffffffffffffffffffffffffffff';
begin
    if octet_length(b) = 18 and (get_byte(v, get_byte(b, 0)) | get_byte(v, get_byte(b, 1)) | get_byte(d, get_byte(b, 2)) |
        get_byte(d, get_byte(b, 3)) | get_byte(d, get_byte(b, 4)) | get_byte(d, get_byte(b, 5)) |
        get_byte(d, get_byte(b, 6)) | get_byte(d, get_byte(b, 7)) | get_byte(v, get_byte(b, 8)) |
        get_byte(v, get_byte(b, 9)) | get_byte(v, get_byte(b, 10)) | get_byte(v, get_byte(b, 11)) |
        get_byte(v, get_byte(b, 12)) | get_byte(v, get_byte(b, 13)) | get_byte(v, get_byte(b, 14)) |
        get_byte(v, get_byte(b, 15)) | get_byte(v, get_byte(b, 16)) | get_byte(v, get_byte(b, 17))) < 32 then
        if (31 - (1 * get_byte(v, get_byte(b, 0)) + 3 * get_byte(v, get_byte(b, 1)) + 9 * get_byte(v, get_byte(b, 2)) +
        27 * get_byte(v, get_byte(b, 3)) + 19 * get_byte(v, get_byte(b, 4)) +
        26 * get_byte(v, get_byte(b, 5)) + 16 * get_byte(v, get_byte(b, 6)) +
        17 * get_byte(v, get_byte(b, 7)) + 20 * get_byte(v, get_byte(b, 8)) +
        29 * get_byte(v, get_byte(b, 9)) + 25 * get_byte(v, get_byte(b, 10)) +
        13 * get_byte(v, get_byte(b, 11)) + 8 * get_byte(v, get_byte(b, 12)) +
        24 * get_byte(v, get_byte(b, 13)) + 10 * get_byte(v, get_byte(b, 14)) +
        30 * get_byte(v, get_byte(b, 15)) + 28 * get_byte(v, get_byte(b, 16))) % 31) % 31 = get_byte(v, get_byte(b, 17))
            and substr(b, 9, 8) <> substr(b, 10, 8)
        then return 'ok'; end if;
        return case when code = '00000000000000000X' then 'placeholder'
            when substr(b, 9, 8) = substr(b, 10, 8) then 'repeated' else 'bad_check' end;
    end if;
    return case when length(code) <> 18 then 'bad_length' else 'bad_character' end;
end $$;
comment on function ops.uscc_check(text) is
    'ok | placeholder | bad_length | bad_character | repeated | bad_check: a unified social credit code as it stands';

create function ops.uscc_ok(code text) returns boolean
language sql immutable parallel safe
return ops.uscc_check(code) = 'ok';

create function ops.org_code_ok(code text) returns boolean
language plpgsql immutable strict parallel safe as $$
declare
    b constant bytea := convert_to(code, 'UTF8');
    v constant bytea :=
        '\xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff'
        '00010203040506070809ffffffffffffff0a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223ffffffffff'
        'ff0a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223ffffffffffffffffffffffffffffffffffffffffff'
        'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff'
        'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff'
        'ffffffffffffffffffffffffffffffff';
begin
    if octet_length(b) <> 9 or (get_byte(v, get_byte(b, 0)) | get_byte(v, get_byte(b, 1)) | get_byte(v, get_byte(b, 2)) |
        get_byte(v, get_byte(b, 3)) | get_byte(v, get_byte(b, 4)) | get_byte(v, get_byte(b, 5)) |
        get_byte(v, get_byte(b, 6)) | get_byte(v, get_byte(b, 7)) | get_byte(v, get_byte(b, 8))) > 63
        or substr(b, 1, 7) = substr(b, 2, 7)
    then return false; end if;
    return substr(code, 9, 1) = substr('123456789X0', 11 - (3 * get_byte(v, get_byte(b, 0)) + 7 * get_byte(v, get_byte(b, 1)) + 9 * get_byte(v, get_byte(b, 2)) +
        10 * get_byte(v, get_byte(b, 3)) + 5 * get_byte(v, get_byte(b, 4)) + 8 * get_byte(v, get_byte(b, 5)) +
        4 * get_byte(v, get_byte(b, 6)) + 2 * get_byte(v, get_byte(b, 7))) % 11, 1);
end $$;
comment on function ops.org_code_ok(text) is 'an organisation code of 9 characters with its check character, body not one repeated character';

create function ops.reg_no_ok(number text) returns boolean
language plpgsql immutable strict parallel safe as $$
declare
    p integer := 10;
    b bytea;
begin
    if number !~ '^([0-9]{15}|[0-9]{13})$' or repeat(left(number, 1), 13) = left(number, 13) then
        return false;
    end if;
    if length(number) = 13 then return true; end if;
    b := convert_to(number, 'UTF8');
    p := (p + get_byte(b, 0) - 48) % 10; p := (case p when 0 then 10 else p end) * 2 % 11;
    p := (p + get_byte(b, 1) - 48) % 10; p := (case p when 0 then 10 else p end) * 2 % 11;
    p := (p + get_byte(b, 2) - 48) % 10; p := (case p when 0 then 10 else p end) * 2 % 11;
    p := (p + get_byte(b, 3) - 48) % 10; p := (case p when 0 then 10 else p end) * 2 % 11;
    p := (p + get_byte(b, 4) - 48) % 10; p := (case p when 0 then 10 else p end) * 2 % 11;
    p := (p + get_byte(b, 5) - 48) % 10; p := (case p when 0 then 10 else p end) * 2 % 11;
    p := (p + get_byte(b, 6) - 48) % 10; p := (case p when 0 then 10 else p end) * 2 % 11;
    p := (p + get_byte(b, 7) - 48) % 10; p := (case p when 0 then 10 else p end) * 2 % 11;
    p := (p + get_byte(b, 8) - 48) % 10; p := (case p when 0 then 10 else p end) * 2 % 11;
    p := (p + get_byte(b, 9) - 48) % 10; p := (case p when 0 then 10 else p end) * 2 % 11;
    p := (p + get_byte(b, 10) - 48) % 10; p := (case p when 0 then 10 else p end) * 2 % 11;
    p := (p + get_byte(b, 11) - 48) % 10; p := (case p when 0 then 10 else p end) * 2 % 11;
    p := (p + get_byte(b, 12) - 48) % 10; p := (case p when 0 then 10 else p end) * 2 % 11;
    p := (p + get_byte(b, 13) - 48) % 10; p := (case p when 0 then 10 else p end) * 2 % 11;
    return (p + get_byte(b, 14) - 48) % 10 = 1;
end $$;
comment on function ops.reg_no_ok(text) is 'a 15-digit registration number with MOD 11,10 check digit; 13-digit ones of old files carry none';

-- A day of the calendar from its three numbers, or null: make_date would raise an error.
create function ops.day_of(y integer, m integer, d integer) returns date
language plpgsql immutable strict parallel safe as $$
begin
    if y between 1 and 9999 and m between 1 and 12 and d between 1 and (
        case when m = 2 then case when (y % 4 = 0 and y % 100 <> 0) or y % 400 = 0 then 29 else 28 end
             when m in (4, 6, 9, 11) then 30 else 31 end)
    then return make_date(y, m, d); end if;
    return null;
end $$;

create function ops.resident_id_check(number text) returns text
language plpgsql immutable strict parallel safe as $$
declare
    b bytea;
    y integer;
begin
    if length(number) = 15 then
        if number !~ '^[1-9][0-9]{14}$' then return 'bad_character'; end if;
        if ops.day_of(1900 + substr(number, 7, 2)::integer, substr(number, 9, 2)::integer,
            substr(number, 11, 2)::integer) is null then return 'bad_date'; end if;
        return 'converted_15';
    end if;
    if length(number) <> 18 then return 'bad_length'; end if;
    if number !~ '^[1-9][0-9]{16}[0-9X]$' then return 'bad_character'; end if;
    y := substr(number, 7, 4)::integer;
    if y not between 1800 and 2099
        or ops.day_of(y, substr(number, 11, 2)::integer, substr(number, 13, 2)::integer) is null
    then return 'bad_date'; end if;
    b := convert_to(number, 'UTF8');
    if substr('10X98765432', (7 * (get_byte(b, 0) - 48) + 9 * (get_byte(b, 1) - 48) + 10 * (get_byte(b, 2) - 48) +
        5 * (get_byte(b, 3) - 48) + 8 * (get_byte(b, 4) - 48) + 4 * (get_byte(b, 5) - 48) +
        2 * (get_byte(b, 6) - 48) + 1 * (get_byte(b, 7) - 48) + 6 * (get_byte(b, 8) - 48) +
        3 * (get_byte(b, 9) - 48) + 7 * (get_byte(b, 10) - 48) + 9 * (get_byte(b, 11) - 48) +
        10 * (get_byte(b, 12) - 48) + 5 * (get_byte(b, 13) - 48) + 8 * (get_byte(b, 14) - 48) +
        4 * (get_byte(b, 15) - 48) + 2 * (get_byte(b, 16) - 48)) % 11 + 1, 1) = substr(number, 18, 1)
    then return 'ok'; end if;
    return 'bad_check';
end $$;
comment on function ops.resident_id_check(text) is 'ok | converted_15 | bad_length | bad_character | bad_date | bad_check';

create function ops.resident_id_ok(number text) returns boolean
language sql immutable parallel safe
return ops.resident_id_check(number) in ('ok', 'converted_15');

create function ops.tax_no_ok(number text) returns boolean
language sql immutable parallel safe
return case length(number)
    when 18 then ops.uscc_ok(number) or ops.resident_id_check(number) = 'ok'
    when 15 then number ~ '^[0-9]{6}'
        and (ops.org_code_ok(substr(number, 7)) or ops.resident_id_check(number) = 'converted_15')
    else number ~ '^[0-9]{17}[0-9X][0-9]{2}$' and ops.resident_id_check(left(number, 18)) = 'ok' end;
comment on function ops.tax_no_ok(text) is 'a tax number: 18 (USCC or owner''s ID), 15 (region and organisation code) or 20 characters';

-- Suggestions: the one valid code that mistyped letters O I Z S could stand for. Never applied without the register.
create function ops.uscc_suggestion(code text) returns text
language sql immutable parallel safe
return case when code ~ '[OISZ]' and ops.uscc_ok(translate(code, 'OIZS', '0125')) then translate(code, 'OIZS', '0125') end;

create function ops.reg_no_suggestion(number text) returns text
language sql immutable parallel safe
return case when length(number) = 15 and number ~ '[OISZ]' and ops.reg_no_ok(translate(number, 'OIZS', '0125'))
    then translate(number, 'OIZS', '0125') end;

-- Letters are legal in an organisation code, so every choice of them is tried; it runs on failed codes only.
create function ops.org_code_suggestion(code text) returns text
language plpgsql immutable strict parallel safe as $$
declare
    candidate text;
    found text;
begin
    if length(code) <> 9 or code !~ '[OISZ]' or ops.org_code_ok(code) then return null; end if;
    for mask in 1 .. 511 loop
        candidate := '';
        for place in 1 .. 9 loop
            if mask & (1 << (place - 1)) <> 0 then
                exit when substr(code, place, 1) !~ '[OISZ]';
                candidate := candidate || translate(substr(code, place, 1), 'OIZS', '0125');
            else
                candidate := candidate || substr(code, place, 1);
            end if;
        end loop;
        if length(candidate) = 9 and ops.org_code_ok(candidate) then
            if found <> candidate then return null; end if;
            found := candidate;
        end if;
    end loop;
    return found;
end $$;

create function ops.normal_name(name text) returns text
language sql immutable parallel safe
return case when name ~ '[\u0001-\u002f\u003a-\u0040\u005b-\u00a0\u00ad\u00b7\u1680\u2000-\u2015\u2018-\u2019\u201c-\u201d'
        '\u2022\u2026-\u202f\u205f-\u2064\u2212\u2219\u3000-\u3002\u3008-\u3011\u3014-\u3017\u30fb\u4e26'
        '\u4e82\u4e9e\u4f48\u4f54\u4f86\u4f96\u4fb6\u4fc2\u5009\u500b\u5011\u502b\u5049\u5074-\u5075\u507d'
        '\u5091\u5098-\u5099\u50ad\u50b3\u50b5\u50b7\u50be\u50c5\u50d1\u50f9\u5100\u5104\u5109\u512a\u5132'
        '\u5152\u5167\u5169\u518a\u51cd\u51dc\u51f1\u5225\u522a\u5247\u525b\u5275\u5283\u5287\u5289\u528d'
        '\u5291\u52c1\u52d5\u52d9\u52db\u52dd-\u52de\u52e2\u52f5\u52f8\u532f\u5331\u5340\u5354\u537b\u53b2'
        '\u53c3\u5433\u5442\u54e1\u554f\u5553\u555e-\u555f\u55aa\u55ac\u55ae\u55ce\u5606\u5617\u5629\u562f'
        '\u5674\u5687\u56b4\u56d1\u570b\u570d\u5712-\u5713\u5716\u5718\u57f7\u5805\u582f\u5831\u5834\u584a'
        '\u5862\u5875\u588a\u589c\u58b3\u58be\u58c7\u58d3\u58de-\u58df\u58e9\u58ef\u58fa\u58fd\u5920\u5925'
        '\u593e\u5967\u596a\u596e\u599d\u5a66\u5abd\u5b0c\u5b6b\u5b78\u5bae\u5be6-\u5be7\u5be9\u5beb-\u5bec'
        '\u5bf5-\u5bf6\u5c07\u5c0b\u5c0d-\u5c0e\u5c46\u5c64\u5c6c\u5ca1\u5cef\u5cf6\u5cfd\u5d84\u5dba'
        '\u5dbc-\u5dbd\u5dd6\u5e25\u5e2b\u5e33\u5e36\u5e63\u5e6b\u5e79\u5e7e\u5eab\u5ec1-\u5ec2\u5ec8\u5eda'
        '\u5edf-\u5ee0\u5ee2-\u5ee3\u5ef3\u5f35\u5f37\u5f48\u5f4c\u5f4e\u5f8c\u5f91\u5f9e\u5fa9\u5fb5\u5fb9'
        '\u6085\u60b6\u60e1\u60f1\u611b\u614b\u6158\u6163\u616e\u6176\u6190-\u6191\u61a4\u61b2\u61b6\u61c7'
        '\u61c9\u61f6-\u61f8\u61fc\u6200\u6230\u6232\u6236\u62cb\u6383\u639b\u63c0\u63da-\u63db\u63ee\u640d'
        '\u6416\u6436\u646f\u647b\u6490\u64a5\u64ab\u64b2\u64bf\u64c1\u64c7\u64ca\u64d4\u64da\u64e0\u64ec'
        '\u64f1-\u64f2\u64f4\u64fa\u64fe\u650f\u6514\u6519\u651d\u6524\u652c\u6557\u6575\u6578\u6582\u65ac'
        '\u65b7\u65bc\u6642\u6649\u665d\u6688-\u6689\u66a2\u66ab\u66c6-\u66c7\u66c9\u66e0\u66ec\u66f8\u6703'
        '\u6771\u689d\u68c4\u68d7\u68df\u68e7\u68f2\u694a\u6953\u696d\u6975\u69ae\u69cb\u69cd\u6a02\u6a11'
        '\u6a13\u6a19\u6a1e\u6a23\u6a38-\u6a3a\u6a4b\u6a5f\u6a6b\u6a94\u6aa2\u6aaf\u6ab3\u6ab8\u6ac3\u6afb'
        '\u6b04\u6b0a\u6b16\u6b3d\u6b50\u6b61\u6b72\u6b77-\u6b78\u6b98\u6bb2\u6bba\u6bbc\u6bc0\u6c08\u6c23'
        '\u6c2b\u6c7a\u6c92\u6c96\u6cc1\u6dbc\u6dda\u6de8\u6df5\u6dfa\u6e1b\u6e26\u6e2c\u6e3e\u6e4a\u6e6f'
        '\u6e96\u6e9d\u6eab\u6ec5\u6eec\u6ef2\u6efe-\u6eff\u6f01\u6f22-\u6f23\u6f32\u6f38\u6f3f\u6f51\u6f54'
        '\u6f64\u6f6f-\u6f70\u6f86\u6fa4\u6fc1\u6fc3\u6fd5\u6fdf\u6fe4\u6feb\u6ff0-\u6ff1\u6ffe\u700f\u7018'
        '\u701f\u703e\u7051\u7058\u7063\u707d\u70ba\u70cf\u7121\u7149\u7159\u7165\u7169\u71b1\u71c1\u71c8'
        '\u71d2\u71d9\u71df\u71e6\u71f4\u720d\u7210\u721b\u722d\u7232\u723a\u723e\u7246\u727d\u72a7\u72c0'
        '\u7336\u7344-\u7345\u734e\u7368\u7372\u7375\u7378\u737b\u73fe\u7469-\u746a\u74b0\u74bd\u74ca\u74cf'
        '\u7522\u755d\u7562\u756b\u7570\u7576\u758a\u760b\u7642\u7662\u767c\u76ba\u76dc\u76de\u76e3-\u76e4'
        '\u76e7\u773e\u77ef\u786f\u78a9\u78ba\u78bc\u78da\u790e\u7926\u792a\u798d\u79aa\u79ae\u7a2e\u7a31'
        '\u7a40\u7a4d\u7a69\u7a6b\u7aa9\u7aae-\u7aaf\u7ac4\u7aca\u7af6\u7b46\u7b4d\u7bc0\u7bc4\u7bc9\u7be9'
        '\u7c21\u7c3d\u7c43\u7c4c\u7c6c\u7ce7\u7d00\u7d04-\u7d05\u7d0b\u7d0d\u7d14\u7d17\u7d19-\u7d1b\u7d21'
        '\u7d30\u7d39\u7d42\u7d44\u7d50\u7d55\u7d61\u7d66\u7d68\u7d71-\u7d72\u7d79\u7d81\u7d93\u7d9c\u7da0'
        '\u7da2\u7dab\u7dad\u7db1\u7db4\u7dbf\u7dca\u7dd2\u7dda\u7dde\u7de3\u7de8\u7dec\u7def\u7df4\u7e23'
        '\u7e2b\u7e2e\u7e31\u7e3d-\u7e3e\u7e54\u7e5e\u7e61\u7e69-\u7e6b\u7e7c\u7e8c\u7e8f\u7e9c\u7f70\u7f77'
        '\u7f85\u7fa3\u7fa9\u7fd2\u8056\u805e\u806f-\u8070\u8072\u8077\u807d\u8085\u8105\u8108\u8139\u814e'
        '\u8166\u816b\u8173\u8178\u819a\u81a0\u81bd\u81bf\u81c9\u81d8\u81df\u81e8\u81fa\u8207-\u820a\u8259'
        '\u8266\u8271\u838a\u8396\u83ef\u842c\u8449\u8466\u84bc\u84cb\u84ee\u8523\u8525\u8569-\u856a\u856d'
        '\u8588\u858a\u8591\u8594\u85a6\u85a9\u85cd\u85dd\u85e5\u8606-\u8607\u860b\u862d\u863f\u8655\u865b'
        '\u865f\u8667\u8755\u8766\u879e\u87a2\u87f2\u87fb\u881f\u8836\u8846\u8853\u885b\u885d-\u885e\u88cf'
        '\u88dc-\u88dd\u88e1\u88fd\u8907\u8932\u896a\u896f\u8972\u898b\u898f\u8996\u89aa\u89ba\u89bd\u89c0'
        '\u89f8\u8a02\u8a08\u8a0a\u8a0e\u8a13\u8a17-\u8a18\u8a2a\u8a2d\u8a31\u8a34\u8a3a\u8a50\u8a55\u8a5e'
        '\u8a66\u8a69\u8a71-\u8a73\u8a87\u8a8d\u8a95\u8a9e\u8aa0\u8aa4\u8aaa\u8ab2\u8abc\u8abf\u8ac7\u8acb'
        '\u8ad6\u8ae7\u8af8\u8afe\u8b00\u8b19\u8b1b\u8b1d\u8b39\u8b4f\u8b58\u8b5c\u8b6f-\u8b70\u8b77\u8b80'
        '\u8b8a\u8b93\u8c48\u8c4e\u8c50\u8c6c\u8c93\u8c9d-\u8c9e\u8ca0-\u8ca2\u8ca7-\u8cac\u8caf\u8cb4'
        '\u8cb7-\u8cb8\u8cbb\u8cbf-\u8cc0\u8cc7-\u8cc8\u8cd3\u8cdc\u8cde\u8ce2-\u8ce3\u8ce6\u8cea\u8cec'
        '\u8cfc-\u8cfd\u8d08\u8d0a\u8d0f\u8d1b\u8d95\u8d99\u8e10\u8e8d\u8eca\u8ecc-\u8ecd\u8ed2\u8edf\u8ef8'
        '\u8f03\u8f09\u8f14-\u8f15\u8f1b\u8f1d\u8f2a\u8f38\u8f44-\u8f45\u8f49\u8f4e\u8fa6\u8fb2\u9019\u9023'
        '\u9031-\u9032\u904b\u904e\u9054-\u9055\u905c\u905e\u9060\u9069\u9072\u9077-\u9078\u907a\u907c\u9081'
        '\u9084\u908f\u9109\u9112\u9127\u912d\u9130\u91ab-\u91ac\u91c0\u91cb\u91d8\u91dd\u91e3\u9209\u9215'
        '\u921e\u9223\u9226\u9234\u9245\u9257\u925b\u9264\u9280\u9285\u9298\u92b3\u92b7\u92c1\u92c5\u92d2'
        '\u92ea\u92f8\u92fc\u9304\u9318\u9322\u9326\u932b\u932f\u9336\u934d\u935b\u9375\u937e\u9382\u9396'
        '\u93ae\u93c8\u93e1\u9418\u9435\u9444\u9451-\u9452\u9470\u947c-\u947f\u9577\u9580\u9583\u9589\u958b'
        '\u9591\u9593-\u9594\u9598\u95a3\u95a9\u95b1\u95c6\u95ca\u95d6\u95dc\u95e1\u965d\u9663\u9670\u9673'
        '\u9678\u967d\u968a\u968e\u969b\u96a8\u96aa\u96b1\u96b8\u96d6\u96d9\u96dc\u96de\u96e2-\u96e3\u96f2'
        '\u96fb\u9727\u9748\u975c\u978f\u97cb\u97d3\u97ff\u9801-\u9802\u9805-\u9806\u9808\u980c\u9810\u9818'
        '\u982d\u9838\u983b\u984c-\u984d\u984f\u9858\u985e\u986f\u98a8\u98b1\u98db\u98ef\u98f2\u98fd-\u98fe'
        '\u9903\u9905\u990a\u9913\u9918\u9928\u9945\u9951\u99ac\u99ae\u99b3\u99c1\u99d0\u99d5\u99dd\u99ff'
        '\u9a0e\u9a19\u9a30\u9a45\u9a57\u9a5a-\u9a5b\u9a62\u9ad2\u9ad4\u9aee\u9b25\u9b27\u9b31\u9b5a\u9b6f'
        '\u9b91\u9bae\u9bc9\u9be8\u9c3b\u9c77\u9ce5\u9cf3-\u9cf4\u9d28\u9d3b\u9d3f\u9d5d\u9d6c\u9daf\u9db4'
        '\u9dc4\u9df9\u9e7d\u9e97\u9ea5\u9eaa\u9eb5\u9ec3\u9ede\u9ee8\u9f4a-\u9f4b\u9f52\u9f8d\u9f90\u9f94'
        '\u9f9c\ufe58\ufe63\ufeff\uff01-\uff07\uff0a-\uff5e\uffe5]'
    then translate(name,
        E'０１２３４５６７８９ＡＢＣＤＥＦＧＨＩＪＫＬＭＮＯＰＱＲＳＴＵＶＷＸＹＺ［］ａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ｛｝abcdefghijklmnopqrstuvwxyz萬與業東絲兩嚴喪'
        '個豐臨為爲麗舉義烏樂喬習鄉書買亂爭於虧雲亞產畝親億僅從侖倉儀們價眾衆優夥會傘偉傳傷倫偽體餘傭僑侶偵側儉債傾儲兒黨蘭關興養獸內岡冊寫軍農馮沖決況凍淨準涼減湊凜幾鳳憑凱擊鑿劃劉則剛創刪別劑劍劇勸辦務動勵勁'
        '勞勢勛勝匯匱區醫華協單賣盧衛衞卻廠廳歷曆厲壓廁廂廈廚縣參雙發髮變疊葉號嘆後嚇呂嗎聽啟啓吳員響啞嘩嘯噴囑團園圍國圖圓聖場壞塊堅壇壩塢墳墜壟墾墊塵牆壯聲殼壺處備複復夠頭誇夾奪奮獎奧妝婦媽嬌孫學寧寶實寵審憲'
        '宮寬賓對尋導壽將爾堯嘗層屬屆歲豈嶼嶺島峽嶄嶽巖峯鞏幣帥師帳帶幫幹並廣莊慶庫應廟龐廢開異棄張彌彎彈強歸當錄徹徑徵憶懷態憐總戀懇惡惱悅懸驚懼慘慣憤願懶戲戰戶撲執擴掃揚擾撫拋搶護報擔擬攏揀擁攔撥擇掛摯擠揮損'
        '撿換據擲摻攬攙擱攝擺搖攤撐敵斂數齋斬斷無舊時曠曇晝顯晉曬曉暈暉暫術樸機殺雜權條來楊極構樞棗櫃檸標棧棟欄樹棲樣橋樺檔榮檢樓橫櫻楓槍檳欖樑歡歐殲殘毀畢氈氣氫漢湯溝沒滬淚瀘潑澤潔灑淺漿澆濁測濟瀏渾濃濤漣潤漲'
        '淵漸漁滲溫灣濕潰滾滿濾濫濱灘瀟瀾濰渦潯滅燈靈災燦爐點煉爍爛煙煩燒燁燴燙熱煥愛爺牽犧狀猶獨獅獄獵貓獻瑪環現璽瓏瓊電畫暢療瘋癢皺盤鹽監蓋盜盞矯礦碼磚硯礪礎碩確禮禪禍離種積稱穩窮竊窩窯竄豎競筆筍築篩籌簽簡籃'
        '籬範類糧緊紅約級紀紙紋紡純紗納綱縱紛線綫練組細織終紹經綁絨結繞繪給絡絕統絹繼績緒續綢維綿綜綠綴緬纜緞緣編緯縫纏縮繡繩繫係罷羅罰羣職聯聰肅腸膚腎腫脹脅膽膠脈臟髒腦膿腳臉臘騰艦艙艱藝節蕪蘆葦蒼蘇蘋莖薦薈蕩'
        '藥蓮獲穫瑩鶯蘿螢營蕭薩蔥蔣藍薊薔薑虛慮蟲雖蝦蝕蟻螞蠶蠟補襯襪襲裝製褲裡裏見觀規視覽覺觸計訂認譏討讓訓議訊記講許論設訪訴診詐評識詞譯試詩誠話誕該詳語誤說請諸諾讀課調談誼謀諧謙謝謹譜託豬貝貞負貢財責賢敗賬'
        '貨質販貪貧購貯貫貴貸貿費賀賈資賞賜賦賽贊贈贏贛趙趕躍踐車軌軒轉輪軟軸輕載較輔輛輝輸轄轅轎遼達遷過邁運還這進遠違連遲適選遜遞邏遺鄧鄭鄰鬱鄒醬釀釋鑒鑑針釣釘鈣鈦鋼鈉鑰欽鈞鉤鈕錢鉗鑽鐵鈴鉛銅鋁銘銀鑄鋪鏈銷鎖'
        '鋒鋅銳錯錫鑼錘錦鍵鋸鍛鍍鎮鎂鏡鉅鑾鐘鍾長門閃閉問闖閑間閔悶閘鬧聞閩閣閱闊闡隊陽陰陣階際陸陳陝險隨隱隸難雞鷄霧靜韋韓頁頂項順須頌預領頸頻題顏額風颱臺檯飛饑飯飲飾飽餅餃餓館饅馬馳駁駐駝駕駿騎騙驗驅驢驛鬥魚'
        '魯鮑鮮鯉鯨鰻鱷鳥鳴鴨鴻鴿鵝鵬鶴鷹麥麵麪黃齊齒龍龔龜錶穀傑衝佈佔週闆([{〔【〖)]}〕】〗！＂＃＄％＆＇＊＋，－．／：；＜＝＞？＠＼＾＿｀｜～\u0001\u0002\u0003\u0004'
        '\u0005\u0006\u0007\u0008\u0009\u000a\u000b\u000c\u000d\u000e\u000f\u0010\u0011\u0012\u0013\u0014'
        '\u0015\u0016\u0017\u0018\u0019\u001a\u001b\u001c\u001d\u001e\u001f\u0020\u007f\u0080\u0081\u0082'
        '\u0083\u0084\u0085\u0086\u0087\u0088\u0089\u008a\u008b\u008c\u008d\u008e\u008f\u0090\u0091\u0092'
        '\u0093\u0094\u0095\u0096\u0097\u0098\u0099\u009a\u009b\u009c\u009d\u009e\u009f\u00a0\u00ad\u1680'
        '\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b\u200c\u200d\u200e\u200f'
        '\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u202f\u205f\u2060\u2061\u2062\u2063\u2064\u3000\ufeff!"#$'
        '%&''*+,./:;<=>?@\\^_`|~、。·・•‧∙…“”‘’「」『』《》〈〉￥-‐‑‒–—―−﹘﹣',
        E'0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ（）ABCDEFGHIJKLMNOPQRSTUVWXYZ（）ABCDEFGHIJKLMNOPQRSTUVWXYZ万与业东丝两严丧'
        '个丰临为为丽举义乌乐乔习乡书买乱争于亏云亚产亩亲亿仅从仑仓仪们价众众优伙会伞伟传伤伦伪体余佣侨侣侦侧俭债倾储儿党兰关兴养兽内冈册写军农冯冲决况冻净准凉减凑凛几凤凭凯击凿划刘则刚创删别剂剑剧劝办务动励劲'
        '劳势勋胜汇匮区医华协单卖卢卫卫却厂厅历历厉压厕厢厦厨县参双发发变叠叶号叹后吓吕吗听启启吴员响哑哗啸喷嘱团园围国图圆圣场坏块坚坛坝坞坟坠垄垦垫尘墙壮声壳壶处备复复够头夸夹夺奋奖奥妆妇妈娇孙学宁宝实宠审宪'
        '宫宽宾对寻导寿将尔尧尝层属届岁岂屿岭岛峡崭岳岩峰巩币帅师帐带帮干并广庄庆库应庙庞废开异弃张弥弯弹强归当录彻径征忆怀态怜总恋恳恶恼悦悬惊惧惨惯愤愿懒戏战户扑执扩扫扬扰抚抛抢护报担拟拢拣拥拦拨择挂挚挤挥损'
        '捡换据掷掺揽搀搁摄摆摇摊撑敌敛数斋斩断无旧时旷昙昼显晋晒晓晕晖暂术朴机杀杂权条来杨极构枢枣柜柠标栈栋栏树栖样桥桦档荣检楼横樱枫枪槟榄梁欢欧歼残毁毕毡气氢汉汤沟没沪泪泸泼泽洁洒浅浆浇浊测济浏浑浓涛涟润涨'
        '渊渐渔渗温湾湿溃滚满滤滥滨滩潇澜潍涡浔灭灯灵灾灿炉点炼烁烂烟烦烧烨烩烫热焕爱爷牵牺状犹独狮狱猎猫献玛环现玺珑琼电画畅疗疯痒皱盘盐监盖盗盏矫矿码砖砚砺础硕确礼禅祸离种积称稳穷窃窝窑窜竖竞笔笋筑筛筹签简篮'
        '篱范类粮紧红约级纪纸纹纺纯纱纳纲纵纷线线练组细织终绍经绑绒结绕绘给络绝统绢继绩绪续绸维绵综绿缀缅缆缎缘编纬缝缠缩绣绳系系罢罗罚群职联聪肃肠肤肾肿胀胁胆胶脉脏脏脑脓脚脸腊腾舰舱艰艺节芜芦苇苍苏苹茎荐荟荡'
        '药莲获获莹莺萝萤营萧萨葱蒋蓝蓟蔷姜虚虑虫虽虾蚀蚁蚂蚕蜡补衬袜袭装制裤里里见观规视览觉触计订认讥讨让训议讯记讲许论设访诉诊诈评识词译试诗诚话诞该详语误说请诸诺读课调谈谊谋谐谦谢谨谱托猪贝贞负贡财责贤败账'
        '货质贩贪贫购贮贯贵贷贸费贺贾资赏赐赋赛赞赠赢赣赵赶跃践车轨轩转轮软轴轻载较辅辆辉输辖辕轿辽达迁过迈运还这进远违连迟适选逊递逻遗邓郑邻郁邹酱酿释鉴鉴针钓钉钙钛钢钠钥钦钧钩钮钱钳钻铁铃铅铜铝铭银铸铺链销锁'
        '锋锌锐错锡锣锤锦键锯锻镀镇镁镜钜銮钟钟长门闪闭问闯闲间闵闷闸闹闻闽阁阅阔阐队阳阴阵阶际陆陈陕险随隐隶难鸡鸡雾静韦韩页顶项顺须颂预领颈频题颜额风台台台飞饥饭饮饰饱饼饺饿馆馒马驰驳驻驼驾骏骑骗验驱驴驿斗鱼'
        '鲁鲍鲜鲤鲸鳗鳄鸟鸣鸭鸿鸽鹅鹏鹤鹰麦面面黄齐齿龙龚龟表谷杰冲布占周板（（（（（（））））））')
    else name end;
comment on function ops.normal_name(text) is 'a name for comparison: half width, upper case, brackets （）, simplified, no blanks, no punctuation';

create function ops.normal_document_no(document_no text) returns text
language sql immutable parallel safe
return case when document_no ~ '[\u0001-\u0020\u0028-\u0029\u005b\u005d\u007b\u007d\u007f-\u00a0\u00ad\u1680\u2000-\u200f'
        '\u2028-\u202f\u205f-\u2064\u3000\u3010-\u3011\u3016-\u3017\ufeff\uff01-\uff5e]'
    then translate(document_no,
        E'！＂＃＄％＆＇（）＊＋，－．／０１２３４５６７８９：；＜＝＞？＠ＡＢＣＤＥＦＧＨＩＪＫＬＭＮＯＰＱＲＳＴＵＶＷＸＹＺ［＼］＾＿｀ａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ｛｜｝～([{【〖)'
        ']}】〗\u0001\u0002\u0003\u0004\u0005\u0006\u0007\u0008\u0009\u000a\u000b\u000c\u000d\u000e\u000f\u0010'
        '\u0011\u0012\u0013\u0014\u0015\u0016\u0017\u0018\u0019\u001a\u001b\u001c\u001d\u001e\u001f\u0020'
        '\u007f\u0080\u0081\u0082\u0083\u0084\u0085\u0086\u0087\u0088\u0089\u008a\u008b\u008c\u008d\u008e'
        '\u008f\u0090\u0091\u0092\u0093\u0094\u0095\u0096\u0097\u0098\u0099\u009a\u009b\u009c\u009d\u009e'
        '\u009f\u00a0\u00ad\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b'
        '\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u202f\u205f\u2060\u2061\u2062'
        '\u2063\u2064\u3000\ufeff',
        E'!"#$%&''〔〕*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ〔\\〕^_`abcdefghijklmnopqrstuvwxyz〔|〕~〔〔〔〔'
        '〔〕〕〕〕〕')
    else document_no end;
comment on function ops.normal_document_no(text) is 'a document number for comparison: half width, one kind of bracket 〔〕, no blanks';

create function ops.normal_code(code text) returns text
language sql immutable parallel safe
return case when code ~ '[\u0001-\u0020\u002d\u0061-\u007a\u007f-\u00a0\u00ad\u1680\u2000-\u2015\u2028-\u202f\u205f-\u2064'
        '\u2212\u3000\ufe58\ufe63\ufeff\uff01-\uff5e]'
    then translate(code,
        E'！＂＃＄％＆＇（）＊＋，．／０１２３４５６７８９：；＜＝＞？＠ＡＢＣＤＥＦＧＨＩＪＫＬＭＮＯＰＱＲＳＴＵＶＷＸＹＺ［＼］＾＿｀ａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ｛｜｝～abcdefg'
        'hijklmnopqrstuvwxyz－\u0001\u0002\u0003\u0004\u0005\u0006\u0007\u0008\u0009\u000a\u000b\u000c\u000d'
        '\u000e\u000f\u0010\u0011\u0012\u0013\u0014\u0015\u0016\u0017\u0018\u0019\u001a\u001b\u001c\u001d'
        '\u001e\u001f\u0020\u007f\u0080\u0081\u0082\u0083\u0084\u0085\u0086\u0087\u0088\u0089\u008a\u008b'
        '\u008c\u008d\u008e\u008f\u0090\u0091\u0092\u0093\u0094\u0095\u0096\u0097\u0098\u0099\u009a\u009b'
        '\u009c\u009d\u009e\u009f\u00a0\u00ad\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008'
        '\u2009\u200a\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u202f\u205f'
        '\u2060\u2061\u2062\u2063\u2064\u3000\ufeff-‐‑‒–—―−﹘﹣',
        E'!"#$%&''()*+,./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`ABCDEFGHIJKLMNOPQRSTUVWXYZ{|}~ABCDE'
        'FGHIJKLMNOPQRSTUVWXYZ')
    else code end;
comment on function ops.normal_code(text) is 'an identifier as it must be written: half width, upper case, no blanks, no hyphens';

-- Half-width digits and signs, blanks off both ends: how dates and amounts are read.
create function ops.plain_number(value text) returns text
language sql immutable parallel safe
return case when value ~ '^[!-~]*$' then value
    else translate(btrim(value,
        E'\u0001\u0002\u0003\u0004\u0005\u0006\u0007\u0008\u0009\u000a\u000b\u000c\u000d\u000e\u000f\u0010'
        '\u0011\u0012\u0013\u0014\u0015\u0016\u0017\u0018\u0019\u001a\u001b\u001c\u001d\u001e\u001f\u0020'
        '\u007f\u0080\u0081\u0082\u0083\u0084\u0085\u0086\u0087\u0088\u0089\u008a\u008b\u008c\u008d\u008e'
        '\u008f\u0090\u0091\u0092\u0093\u0094\u0095\u0096\u0097\u0098\u0099\u009a\u009b\u009c\u009d\u009e'
        '\u009f\u00a0\u00ad\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b'
        '\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u202f\u205f\u2060\u2061\u2062'
        '\u2063\u2064\u3000\ufeff'),
        E'＋，－．／０１２３４５６７８９：', E'+,-./0123456789:') end;

-- The forms that are not YYYY/MM/DD or YYYY-MM-DD with a day every month has.
create function ops.parse_other_date(value text) returns date
language plpgsql immutable strict parallel safe as $$
declare
    n integer;
    t constant text := ops.plain_number(value);
    p text[];
begin
    if t ~ '^[0-9]{8}$' then
        n := t::integer;
        return ops.day_of(n / 10000, n / 100 % 100, n % 100);
    end if;
    if t ~ '^[1-9][0-9]{4}(\.[0-9]+)?$' then return date '1899-12-30' + left(t, 5)::integer; end if;
    p := regexp_match(t, '^(?:([0-9]{4})([-/])([0-9]{1,2})\2([0-9]{1,2})|([0-9]{4})年([0-9]{1,2})月([0-9]{1,2})日)'
        '(?:[ T]?(?:(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?)(?:\+08:?00)?)?$');
    if p is null then return null; end if;
    return ops.day_of(coalesce(p[1], p[5])::integer, coalesce(p[3], p[6])::integer, coalesce(p[4], p[7])::integer);
end $$;

create function ops.parse_date(value text) returns date
language sql immutable parallel safe
return case
    when length(value) = 10 and substr(value, 5, 1) in ('/', '-') and substr(value, 8, 1) = substr(value, 5, 1)
        and translate(value, '0123456789', '') in ('//', '--')
        and left(value, 4) > '0000' and substr(value, 6, 2) between '01' and '12' and right(value, 2) between '01' and '28'
    then make_date(left(value, 4)::integer, substr(value, 6, 2)::integer, right(value, 2)::integer)
    else ops.parse_other_date(value) end;
comment on function ops.parse_date(text) is
    'YYYY/MM/DD, YYYY-MM-DD, YYYYMMDD, YYYY年M月D日 (a time of day is ignored), Excel serials of five digits; else null';

create function ops.parse_decimal(value text) returns numeric
language plpgsql immutable strict parallel safe as $$
declare
    t constant text := ops.plain_number(value);
begin
    if length(t) <= 40 and t ~ '^[+-]?(([0-9]{1,3}(,[0-9]{3})+|[0-9]+)(\.[0-9]+)?|\.[0-9]+)$' then
        return replace(t, ',', '')::numeric;
    end if;
    return null;
end $$;
comment on function ops.parse_decimal(text) is 'the number a text writes, thousands commas allowed, at most 40 characters; else null';

create function ops.mask_text(value text) returns text
language sql immutable parallel safe
return case when value ~ '[0-9０-９]{7}' then
    regexp_replace(
    regexp_replace(
    regexp_replace(
    regexp_replace(
    regexp_replace(
    value,
    '(?<![0-9０-９A-Za-zＡ-Ｚａ-ｚ])[1-9１-９][0-9０-９]{5}([1１][89８９]|[2２][0０])[0-9０-９]{2}([0０][1-9１-９]|[1１][0-2０-２])([0０][1-9１-９]|[12１２][0-9０-９]|[3３][01０１])[0-9０-９]{3}[0-9０-９XxＸｘ](?![0-9０-９A-Za-zＡ-Ｚａ-ｚ])', '***', 'g'),
    '(?<![0-9０-９A-Za-zＡ-Ｚａ-ｚ])[1-9１-９][0-9０-９]{7}([0０][1-9１-９]|[1１][0-2０-２])([0０][1-9１-９]|[12１２][0-9０-９]|[3３][01０１])[0-9０-９]{3}(?![0-9０-９A-Za-zＡ-Ｚａ-ｚ])', '***', 'g'),
    '(?<![0-9０-９A-Za-zＡ-Ｚａ-ｚ])([6６][2２][0-9０-９]{14,17}|[3-6３-６][0-9０-９]{15})(?![0-9０-９A-Za-zＡ-Ｚａ-ｚ])', '***', 'g'),
    '(?<![0-9０-９])([+＋]?[8８][6６][- －]?)?[1１][3-9３-９][0-9０-９]{9}(?![0-9０-９])', '***', 'g'),
    '(?<![0-9０-９])[0０][0-9０-９]{2,3}[-－][0-9０-９]{7,8}(?![0-9０-９])', '***', 'g')
    else value end;
comment on function ops.mask_text(text) is 'free text with resident IDs, telephones and bank cards replaced by ***';

create function ops.holds_personal_number(value text) returns boolean
language sql immutable parallel safe
return value ~ '[0-9０-９]{7}' and ops.mask_text(value) <> value;

create function ops.mask_name(name text) returns text
language sql immutable parallel safe
return left(name, 1) || repeat('*', length(name) - 1);
comment on function ops.mask_name(text) is 'a natural person''s name for the public: first character and a star for each other';
