-- What the gate keeps between nights, and the detector of personal data in free text. Forward only.

-- The register as the gate knows it: one line per code, the newest accepted registration. Derived from landing.registration,
-- maintained with every accepted registration batch; names of household operators stand in it, so analysts do not read it.
create table quality.register (
    uscc text primary key,
    name text not null,
    names text[] not null,            -- every name it has had, normalised: a decision may be older than a change of name
    ended_on date,                    -- deregistered or struck off on; null while it is active
    version_at timestamptz not null,
    version_seq bigint not null
);

-- Luhn check of bank card numbers (ISO/IEC 7812).
create function quality.luhn_ok(number text) returns boolean
language plpgsql immutable strict parallel safe as $$
declare
    total integer := 0;
    digit integer;
begin
    for place in 1..length(number) loop
        digit := substr(number, length(number) - place + 1, 1)::integer;
        if place % 2 = 0 then
            digit := digit * 2 - case when digit > 4 then 9 else 0 end;
        end if;
        total := total + digit;
    end loop;
    return total % 10 = 0;
end
$$;

-- The first kind of personal number in a text: resident_id | mobile | bank_card, or null (domain page 01, R13).
-- Exact where ops.mask_text is cautious: check digits must fit, so that file numbers and codes of firms pass.
create function quality.personal_number_in(value text) returns text
language plpgsql immutable strict parallel safe as $$
declare
    t constant text := upper(translate(value, '０１２３４５６７８９ｘＸ－　', '0123456789XX- '));
    found text[];
begin
    if t ~ '身份证[^0-9]{0,8}[0-9]{14}' then
        return 'resident_id';
    end if;
    for found in select regexp_matches(t,
        '(?<![0-9A-Z])([1-9][0-9]{5}[ -]?(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[ -]?[0-9]{3}[0-9X])(?![0-9A-Z])',
        'g')
    loop
        if ops.resident_id_check(translate(found[1], ' -', '')) = 'ok' then
            return 'resident_id';
        end if;
    end loop;
    if t ~ '(?<![0-9A-Z])([+]?86[ -]?)?1[3-9][0-9][ -]?[0-9]{4}[ -]?[0-9]{4}(?![0-9])' then
        return 'mobile';
    end if;
    for found in select regexp_matches(t,
        '(?<![0-9A-Z])((?:62|4[0-9]|5[1-5]|95)[0-9]{2}(?:[ -]?[0-9]{4}){3}(?:[ -]?[0-9]{1,3})?)(?![0-9A-Z])', 'g')
    loop
        if quality.luhn_ok(translate(found[1], ' -', '')) then
            return 'bank_card';
        end if;
    end loop;
    return null;
end
$$;

create function quality.personal_data(value text) returns text
language sql immutable parallel safe
return case when value ~ '[0-9０-９][0-9０-９ －-]{9,}[0-9０-９XxＸｘ]' then quality.personal_number_in(value) end;
